"""Tests of notifications about a panel's host: items by service, recipients, silenced findings, and requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import pytest

from remediate.model.case import Case, Repair, steps_of
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.state.journal import CaseOutcome, Event
from tests.support.notify.nightly_runs import Contacts, NightlyRuns, text_of
from tests.support.notify.run_findings import recorded_result
from tests.support.remediate.cpanel_rows import HOST, endpoint, fresh, service, whole
from tests.support.remediate.result_rows import Row, found, seen
from tests.unit.remediate.planning.test_disabled_hosts import FIRST, SECOND, WEB, switched

MAIL, WHOLE = endpoint("exim"), f"{HOST}/"
REQUEST_LINES = (
    "the order o-1 at store is pending-validation: the CA is working on it",
    "no request by the CA for the file in /etc/apache2/logs/access_log and 1 more",
    "fetched by this audit: 198.51.100.1 at 2026-11-23 02:59:00 UTC, sslaudit (self-test) SECTIGO DCV, 200",
)


def logged_in() -> Row:
    return found(WHOLE, "svc.unreachable", verdict="pass")


def expired() -> tuple[Row, ...]:
    return whole(), service("exim"), found(MAIL, "cert.expired", service="exim")


def old_protocol() -> tuple[Row, ...]:
    return seen(WEB), found(WEB, "tls.old-protocol", message="TLS 1.0 is offered", service="nginx")


def case_of(runs: NightlyRuns, *rows: Row) -> Case:
    (case,) = runs.plan(*rows).cases
    return case


def fresh_result(runs: NightlyRuns, *fields: Any, note: str = "", **differing: Any) -> Any:  # noqa: ANN401 - the fields of a result
    case = case_of(runs, logged_in(), *fresh())
    return recorded_result(runs, case, *fields, note, next_at=runs.now + timedelta(hours=1), **differing)


def test_pending_order_lists_each_request_for_its_token(runs: NightlyRuns) -> None:
    result = fresh_result(runs, "pending", "collect", Cause.ISSUER_PENDING, note="\n".join(REQUEST_LINES))
    runs.notify(logged_in(), *fresh(), case_results=[result])
    (message,) = runs.box.emails
    text = text_of(message)
    assert f"Happened: {REQUEST_LINES[0]} [issuer.pending]" in text
    for line in REQUEST_LINES[1:]:
        assert f"- {line}" in text


def test_problems_of_several_services_are_counted_by_service(runs: NightlyRuns) -> None:
    minor = found(WHOLE, "ops.contact-missing", severity="low", message="no contact is configured")
    result = fresh_result(runs, "failed", "self-test", Cause.DCV_BLOCKED, note="blocked")
    runs.notify(logged_in(), *fresh(), *old_protocol(), minor, case_results=[result])
    (message,) = runs.box.emails
    plain, html = (str(part.get_content()) for part in message.iter_parts())
    lines = {line.strip() for line in plain.splitlines()}
    assert {f"{name}: 1 failed" for name in (*result.case.services, "nginx")} <= lines
    assert "the host itself: 1 below the threshold" in lines
    assert "nginx: 1 failed<br>" in html


@pytest.mark.parametrize("kind", ["waiting", "failed"])
def test_repair_of_an_earlier_year_is_not_shown_as_tried(runs: NightlyRuns, kind: Literal["waiting", "failed"]) -> None:
    case = case_of(runs, logged_in(), *fresh())
    recorded_result(runs, case, "proven")
    for step in case.steps:
        runs.journal.record(case.id, Event(step.name, "done", runs.now))
    runs.journal.end(case.id, CaseOutcome("repaired", runs.now))
    runs.now += timedelta(days=200)
    result = CaseResult(case, kind, cause=Cause.DCV_FIREWALL, note="port 80 is closed")
    runs.notify(logged_in(), *fresh(), case_results=[result])
    (text,) = runs.box.texts
    assert ("port 80 is closed" in text, "Tried" in text) == (True, False)


def test_single_service_has_no_count(runs: NightlyRuns) -> None:
    runs.notify(logged_in(), *old_protocol())
    (text,) = runs.box.texts
    assert "nginx: 1 failed" not in text


def test_expiry_is_not_notified_where_notices_are_disabled(runs: NightlyRuns) -> None:
    runs.notify(logged_in(), *expired(), switched(SECOND))
    assert runs.box.sent == []


@pytest.mark.parametrize("check", ["cert.self-signed", "cert.revoked"])
def test_other_check_is_notified_where_expiry_is_silenced(runs: NightlyRuns, check: str) -> None:
    runs.notify(*expired(), switched(SECOND), found(MAIL, check, remedy="reissue"))
    (text,) = runs.box.texts
    assert (check in text, "cert.expired" in text) == (True, False)


def test_other_touch_file_silences_nothing(runs: NightlyRuns) -> None:
    runs.notify(*expired(), switched(FIRST))
    text = runs.box.texts[0]
    assert ("cert.expired" in text, FIRST in text) == (True, True)


def test_known_problem_is_dropped_once_notices_are_disabled(runs: NightlyRuns) -> None:
    runs.notify(logged_in(), *expired())
    runs.notify(logged_in(), *expired(), switched(SECOND))
    assert len(runs.box.sent) == 1
    runs.notify(logged_in(), *expired(), *old_protocol(), switched(SECOND))
    first, second = runs.box.texts
    assert ("cert.expired" in first, "cert.expired" in second, "tls.old-protocol" in second) == (True, False, True)


def test_case_that_was_disabled_since_is_not_notified(runs: NightlyRuns) -> None:
    case = case_of(runs, logged_in(), *expired())
    waiting = CaseResult(case, "waiting", cause=Cause.HOST_SWITCHED_OFF, note="repairs are disabled on the host itself")
    runs.notify(logged_in(), *expired(), switched(SECOND), case_results=[waiting])
    assert runs.box.sent == []
    runs.notify(logged_in(), *expired(), switched(FIRST), case_results=[waiting])
    assert len(runs.box.sent) == 1


def test_host_without_a_contact_is_notified_to_root_of_the_controller(runs: NightlyRuns) -> None:
    runs.change_mail(to=())
    runs.sessions = {HOST: Contacts()}
    missing = found(WHOLE, "ops.contact-missing", message="no contact is configured")
    runs.notify(logged_in(), missing)
    assert runs.settings is not None
    assert runs.box.emails[0]["To"] == runs.settings.default_recipients[0]
    assert "no contact is configured [ops.contact-missing, high]" in runs.box.texts[0]


def test_closed_firewall_is_notified_with_its_rule_and_advice(runs: NightlyRuns) -> None:
    rule = "199.66.201.132 is refused by `tcp dport 80 drop` in table inet filter, chain input"
    runs.notify(logged_in(), *fresh(), found(WHOLE, "dcv.firewall", remedy="host", message=rule))
    text = runs.box.texts[0]
    assert rule in text
    assert "What to do: allow TCP port 80 in the rule above" in text


def test_panel_program_is_named_with_its_output(runs: NightlyRuns) -> None:
    case = case_of(runs, *fresh("exim"))
    steps = steps_of(Repair.RUN_OWNER, case.services, case.endpoints)
    owned = replace(case, repair=Repair.RUN_OWNER, owner="cpanel", steps=steps)
    note = "cpanel left exim.crt without a new certificate; it ended with 0:\nThe DCV check failed."
    runs.journal.begin(owned, runs.now)
    runs.notify(*fresh("exim"), case_results=[CaseResult(owned, "failed", "renew", Cause.OWNER_UNCHANGED, note)])
    text = runs.box.texts[0]
    assert "Tried: a run of the panel's own program, which orders and installs the certificate itself" in text
    assert "The DCV check failed." in text
    assert "run its renewal manually" in text
