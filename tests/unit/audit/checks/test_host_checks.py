"""Tests of the checks of a host: its clock, and a panel's schedule, contact, touch files and old tokens."""

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
    """Return the observation of a panel's server as a whole."""
    return observed(server=replace(host(), cpanel=state, is_cpanel=True), endpoint=HOST)


@pytest.mark.parametrize(("check", "more", "matter"), OF_A_PANEL)
def test_well_configured_panel_passes(check: Callable[..., None], more: dict[str, object], matter: Matter) -> None:
    assert passes(check, observation=panel(replace(KEPT, unread=(Unread("firewall", f"not {matter}"),))), **more)


@pytest.mark.parametrize(("check", "more", "matter"), OF_A_PANEL)
def test_host_without_a_panel_is_not_applicable(
    check: Callable[..., None], more: dict[str, object], matter: Matter
) -> None:
    assert not_applicable(check, observation=observed(server=host(), endpoint=HOST), **more).reason, matter


@pytest.mark.parametrize(("check", "more", "matter"), OF_A_PANEL)
def test_panel_that_was_not_inspected_is_inconclusive(
    check: Callable[..., None], more: dict[str, object], matter: Matter
) -> None:
    assert inconclusive(check, observation=panel(None), **more)
    assert inconclusive(check, observation=observed(endpoint=HOST), **more).because == "svc.unreachable", matter


@pytest.mark.parametrize(("check", "more", "matter"), OF_A_PANEL)
def test_missing_right_of_the_login_is_named(
    check: Callable[..., None], more: dict[str, object], matter: Matter
) -> None:
    unread = (Unread(matter, "www-data may not read /somewhere"),)
    seen = panel(replace(KEPT, contacts=(), schedules=(), unread=unread))
    assert "www-data may not read /somewhere" in inconclusive(check, observation=seen, **more).reason


def test_schedule_and_contact_pass_even_if_other_files_are_unreadable() -> None:
    unread = (
        Unread("schedules", "www-data may not read /var/spool/cron"),
        Unread("contacts", "www-data may not read /root"),
    )
    seen = panel(replace(KEPT, unread=unread))
    assert passes(test_host.test_renewal_is_scheduled, observation=seen)
    assert passes(test_host.test_failures_are_reported, observation=seen)


def test_touch_file_is_named() -> None:
    path = "/var/cpanel/ssl/disable_auto_hostname_certificate"
    found = finding(test_host.test_management_is_on, observation=panel(replace(KEPT, switched_off=(path,))))
    assert found.reason == f"certificates are not replaced on this host, because {path} exists"
    assert found.observed == (path,)


def test_panel_without_a_nightly_run_is_found() -> None:
    found = finding(test_host.test_renewal_is_scheduled, observation=panel(replace(KEPT, schedules=())))
    assert "sslaudit install-timer" in found.reason


def test_panel_without_a_contact_is_found_with_the_files_for_one() -> None:
    found = finding(test_host.test_failures_are_reported, observation=panel(replace(KEPT, contacts=())))
    assert "CONTACTEMAIL in /etc/wwwacct.conf" in found.reason
    assert "/root/.forward" in found.reason


@pytest.mark.parametrize(("age", "is_stale"), [(30 * DAY, False), (30 * DAY + timedelta(seconds=1), True)])
def test_token_is_old_after_30_days(age: timedelta, is_stale: bool) -> None:  # noqa: FBT001 - a parameter
    seen = panel(replace(KEPT, tokens=(Token("/x/a.txt", NOW - age), Token("/x/b.txt", NOW))))
    if is_stale:
        assert finding(test_dcv.test_no_old_tokens_are_left, observation=seen, now=NOW).observed == ["/x/a.txt"]
    else:
        assert passes(test_dcv.test_no_old_tokens_are_left, observation=seen, now=NOW)


@pytest.mark.parametrize("offset_s", [-120.0, 0.4, 120.0])
def test_clock_within_two_minutes_passes_on_every_host(offset_s: float) -> None:
    seen = observed(server=replace(host(), clock_offset_s=offset_s), endpoint=HOST)
    assert passes(test_host.test_clock_is_right, observation=seen, policy=WEBPKI)


@pytest.mark.parametrize(("offset_s", "deviation"), [(-121.0, "2 min 1 s behind"), (86_400.0, "1 day ahead of")])
def test_wrong_clock_is_found_on_every_host(offset_s: float, deviation: str) -> None:
    seen = observed(server=replace(host(), clock_offset_s=offset_s), endpoint=HOST)
    found = finding(test_host.test_clock_is_right, observation=seen, policy=WEBPKI)
    assert deviation in found.reason
    assert found.policy == "webpki"


def test_unread_clock_is_inconclusive() -> None:
    unread = observed(server=host(), endpoint=HOST)
    assert inconclusive(test_host.test_clock_is_right, observation=unread, policy=WEBPKI).because is None
    no_login = observed(endpoint=HOST)
    assert inconclusive(test_host.test_clock_is_right, observation=no_login, policy=WEBPKI).because == "svc.unreachable"


def test_process_that_root_does_not_inspect_is_named() -> None:
    reasons = ("process 4711 named nginx belongs to uid 1001: not inspected", "44 more processes are not inspected")
    seen = observed(server=replace(host(), not_trusted=reasons), endpoint=HOST)
    assert inconclusive(test_host.test_every_service_is_inspected, observation=seen).reason == "; ".join(reasons)
    assert passes(test_host.test_every_service_is_inspected, observation=observed(server=host(), endpoint=HOST))
    no_login = observed(endpoint=HOST)
    assert inconclusive(test_host.test_every_service_is_inspected, observation=no_login).because == "svc.unreachable"
