"""How a host is kept: its clock, and on a panel's server schedule, contact, touch files and old proofs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from audit.checks import test_dcv, test_host
from audit.observation import Observation
from audit.observation.cpanel import CpanelState, Matter, Token, Unread
from tests.support.endpoint_facts import HOST, WEBPKI, host, observed
from tests.support.verdicts import finding, inconclusive, not_applicable, passes
from tests.support.x509.certificates import DAY, NOW

KEPT = CpanelState(
    "11.130.0.5", contacts=("admin@example.com",), schedules=("/var/spool/cron/root: 1 2 * * * /scripts/upcp --cron",)
)
OF_A_PANEL: list[tuple[Callable[..., None], dict[str, object], Matter]] = [
    (test_host.test_management_is_on, {}, "switches"),
    (test_host.test_renewal_is_scheduled, {}, "schedules"),
    (test_host.test_failures_are_reported, {}, "contacts"),
    (test_dcv.test_no_old_tokens_are_left, {"now": NOW}, "tokens"),
]


def panel(state: CpanelState | None = KEPT) -> Observation:
    """Return what is seen of a panel's server as a whole."""
    return observed(server=replace(host(), cpanel=state, is_cpanel=True), endpoint=HOST)


@pytest.mark.parametrize(("check", "more", "matter"), OF_A_PANEL)
def test_a_panel_that_is_well_kept_passes(check: Callable[..., None], more: dict[str, object], matter: Matter) -> None:
    assert passes(check, observation=panel(replace(KEPT, unread=(Unread("firewall", f"not {matter}"),))), **more)


@pytest.mark.parametrize(("check", "more", "matter"), OF_A_PANEL)
def test_a_host_that_is_no_panels_is_not_judged_by_its_rules(
    check: Callable[..., None], more: dict[str, object], matter: Matter
) -> None:
    assert not_applicable(check, observation=observed(server=host(), endpoint=HOST), **more).reason, matter


@pytest.mark.parametrize(("check", "more", "matter"), OF_A_PANEL)
def test_a_panel_that_was_not_looked_into_is_neither_well_nor_badly_kept(
    check: Callable[..., None], more: dict[str, object], matter: Matter
) -> None:
    assert inconclusive(check, observation=panel(None), **more)
    assert inconclusive(check, observation=observed(endpoint=HOST), **more).because == "svc.unreachable", matter


@pytest.mark.parametrize(("check", "more", "matter"), OF_A_PANEL)
def test_a_login_without_the_right_says_which_is_missing(
    check: Callable[..., None], more: dict[str, object], matter: Matter
) -> None:
    unread = (Unread(matter, "nobody may not read /somewhere"),)
    seen = panel(replace(KEPT, contacts=(), schedules=(), unread=unread))
    assert "nobody may not read /somewhere" in inconclusive(check, observation=seen, **more).reason


def test_what_was_seen_counts_though_not_all_could_be_read() -> None:
    unread = (Unread("schedules", "nobody may not read /var/spool/cron"), Unread("contacts", "nor /root"))
    seen = panel(replace(KEPT, unread=unread))
    assert passes(test_host.test_renewal_is_scheduled, observation=seen)
    assert passes(test_host.test_failures_are_reported, observation=seen)


def test_a_touch_file_is_named() -> None:
    path = "/var/cpanel/ssl/disable_auto_hostname_certificate"
    said = finding(test_host.test_management_is_on, observation=panel(replace(KEPT, switched_off=(path,))))
    assert said.reason == f"certificates are not replaced on this host, because {path} exists"
    assert said.observed == (path,)


def test_a_panel_that_nothing_runs_nightly_on_is_found() -> None:
    said = finding(test_host.test_renewal_is_scheduled, observation=panel(replace(KEPT, schedules=())))
    assert "sslaudit install-timer" in said.reason


def test_a_panel_that_tells_nobody_is_found_and_says_where_an_address_goes() -> None:
    said = finding(test_host.test_failures_are_reported, observation=panel(replace(KEPT, contacts=())))
    assert "CONTACTEMAIL in /etc/wwwacct.conf" in said.reason
    assert "/root/.forward" in said.reason


@pytest.mark.parametrize(("age", "is_stale"), [(30 * DAY, False), (30 * DAY + timedelta(seconds=1), True)])
def test_a_proof_is_old_after_thirty_days(age: timedelta, is_stale: bool) -> None:  # noqa: FBT001 - a parameter
    seen = panel(replace(KEPT, tokens=(Token("/x/a.txt", NOW - age), Token("/x/b.txt", NOW))))
    if is_stale:
        assert finding(test_dcv.test_no_old_tokens_are_left, observation=seen, now=NOW).observed == ["/x/a.txt"]
    else:
        assert passes(test_dcv.test_no_old_tokens_are_left, observation=seen, now=NOW)


@pytest.mark.parametrize("offset_s", [-120.0, 0.4, 120.0])
def test_a_clock_within_two_minutes_is_right_on_every_host(offset_s: float) -> None:
    seen = observed(server=replace(host(), clock_offset_s=offset_s), endpoint=HOST)
    assert passes(test_host.test_clock_is_right, observation=seen, policy=WEBPKI)


@pytest.mark.parametrize(("offset_s", "says"), [(-121.0, "2 min 1 s behind"), (86_400.0, "1 day ahead of")])
def test_a_clock_that_is_off_is_found_on_every_host(offset_s: float, says: str) -> None:
    seen = observed(server=replace(host(), clock_offset_s=offset_s), endpoint=HOST)
    said = finding(test_host.test_clock_is_right, observation=seen, policy=WEBPKI)
    assert says in said.reason
    assert said.policy == "webpki"


def test_a_clock_that_was_not_read_cannot_be_told() -> None:
    unread = observed(server=host(), endpoint=HOST)
    assert inconclusive(test_host.test_clock_is_right, observation=unread, policy=WEBPKI).because is None
    nobody = observed(endpoint=HOST)
    assert inconclusive(test_host.test_clock_is_right, observation=nobody, policy=WEBPKI).because == "svc.unreachable"


def test_process_that_root_does_not_inspect_is_named() -> None:
    reasons = ("process 4711 named nginx belongs to uid 1001: not inspected", "44 more processes are not inspected")
    seen = observed(server=replace(host(), not_trusted=reasons), endpoint=HOST)
    assert inconclusive(test_host.test_every_service_is_inspected, observation=seen).reason == "; ".join(reasons)
    assert passes(test_host.test_every_service_is_inspected, observation=observed(server=host(), endpoint=HOST))
    nobody = observed(endpoint=HOST)
    assert inconclusive(test_host.test_every_service_is_inspected, observation=nobody).because == "svc.unreachable"
