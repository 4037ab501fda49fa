"""Tests of the checks of a host: its clock, and a panel's schedule, contact, touch files and old tokens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from audit.checks.test_dcv import test_no_old_tokens_are_left as no_old_tokens
from audit.checks.test_host import test_clock_is_right as clock
from audit.checks.test_host import test_every_service_is_inspected as all_inspected
from audit.checks.test_host import test_failures_are_reported as reported
from audit.checks.test_host import test_management_is_on as managed
from audit.checks.test_host import test_renewal_is_scheduled as scheduled
from audit.observation import HostView
from audit.observation.cpanel import CpanelState, Matter, Unread
from audit.observation.firewall import HttpValidation, Token
from tests.support.endpoint_facts import HOST, WEBPKI, host, observed
from tests.support.verdicts import PASS, Check, Row, exempt, fail, require_verdict, unsure, verdicts
from tests.support.x509.certificates import DAY, NOW

KEPT = CpanelState(
    "11.130.0.5", contacts=("admin@example.com",), schedules=("/var/spool/cron/root: 1 2 * * * /scripts/upcp --cron",)
)
MATTERS: dict[Matter, Check] = {
    "switches": managed, "schedules": scheduled, "contacts": reported, "tokens": no_old_tokens,
}  # fmt: skip
OFF = "/var/cpanel/ssl/disable_auto_hostname_certificate"
NOT_LINUX = "the host runs FreeBSD, and only Linux can be inspected"
NOT_INSPECTED = ("process 4711 named nginx belongs to uid 1001: not inspected", "44 more processes are not inspected")


def of(server: HostView | None) -> dict[str, object]:
    """Return the facts of a host as a whole."""
    return {"observation": observed(server=server, endpoint=HOST), "policy": WEBPKI, "now": NOW}


def panel(**changes: Any) -> dict[str, object]:  # noqa: ANN401 - any field of the state
    """Return the facts of a panel's host whose state is good except for these changes."""
    return of(replace(host(), cpanel=replace(KEPT, **changes), is_cpanel=True))


def token_aged(age: timedelta) -> dict[str, object]:
    """Return the facts of a panel's host with an old and a new token."""
    return panel(tokens=(Token("/x/a.txt", NOW - age), Token("/x/b.txt", NOW)))


def validated(tokens: tuple[Token, ...] = (), unlisted: tuple[str, ...] = ()) -> dict[str, object]:
    """Return the facts of a host without a panel, of which a repair would have a name validated."""
    return of(replace(host(), validation=HttpValidation(("www.example.com",), tokens=tokens, unlisted=unlisted)))


@verdicts({
    f"{name}: {matter}": (check, facts, expected)
    for matter, check in MATTERS.items()
    for name, facts, expected in (
        ("well configured", panel(unread=(Unread("firewall", f"not {matter}"),)), PASS),
        ("no panel", of(host()), exempt()),
        ("not inspected", of(replace(host(), is_cpanel=True)), unsure()),
        ("no login", of(None), unsure(because="svc.unreachable")),
        ("missing right", panel(
            contacts=(), schedules=(), unread=(Unread(matter, "www-data may not read /somewhere"),),
        ), unsure("www-data may not read /somewhere")),
    )
} | {
    "scheduled beside an unreadable file": (
        scheduled, panel(unread=(Unread("schedules", "www-data may not read /var/spool/cron"),)), PASS,
    ),
    "contact beside an unreadable file": (
        reported, panel(unread=(Unread("contacts", "www-data may not read /root"),)), PASS,
    ),
    "touch file": (managed, panel(switched_off=(OFF,)), fail(
        reason=f"certificates are not replaced on this host, because {OFF} exists", observed=(OFF,),
    )),
    "no contact": (reported, panel(contacts=()), fail("CONTACTEMAIL in /etc/wwwacct.conf", "/root/.forward")),
    "token of 30 days": (no_old_tokens, token_aged(30 * DAY), PASS),
    "old token of a name that a repair validates": (
        no_old_tokens, validated(tokens=(Token("/x/a.txt", NOW - 31 * DAY),)), fail(observed=["/x/a.txt"]),
    ),
    "no token of a name that a repair validates": (no_old_tokens, validated(), PASS),
    "tokens that were not listed": (
        no_old_tokens, validated(unlisted=("www-data may not read /x",)), unsure("www-data may not read /x"),
    ),
    "token of more than 30 days": (
        no_old_tokens, token_aged(30 * DAY + timedelta(seconds=1)), fail(observed=["/x/a.txt"]),
    ),
})  # fmt: skip
def test_panel_is_managed_scheduled_and_reports_failures(row: Row) -> None:
    require_verdict(row)


def test_panel_without_a_nightly_run_is_found() -> None:
    require_verdict((scheduled, panel(schedules=()), fail("sslaudit install-timer")))


@verdicts({
    **{f"{offset_s} s": (clock, of(replace(host(), clock_offset_s=offset_s)), expected)
       for offset_s, expected in (
           (-120.0, PASS), (0.4, PASS), (120.0, PASS),
           (-121.26, fail("2 min 1 s behind", policy="webpki", observed=-121.3)),
           (86_400.0, fail("1 day ahead of", policy="webpki")),
       )},
    "unread clock": (clock, of(host()), unsure()),
    "no login": (clock, of(None), unsure(because="svc.unreachable")),
    "a process that root does not inspect": (
        all_inspected, of(replace(host(), not_trusted=NOT_INSPECTED)), unsure(reason="; ".join(NOT_INSPECTED)),
    ),
    "not Linux": (all_inspected, of(replace(host(), not_inspected=NOT_LINUX)), unsure(f"{NOT_LINUX}: the host is")),
    "every process is inspected": (all_inspected, of(host()), PASS),
    "processes without a login": (all_inspected, of(None), unsure(because="svc.unreachable")),
})  # fmt: skip
def test_clock_is_right_and_every_service_inspected_on_any_host(row: Row) -> None:
    require_verdict(row)
