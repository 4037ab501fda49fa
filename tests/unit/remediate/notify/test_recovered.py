"""Tests of recoveries: each is notified once, and only if the problem was checked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from remediate.model.case import DroppedName
from remediate.model.causes import Cause
from remediate.model.plan import Blocker, WaitingCase
from remediate.notify.changes import NotifiedState, last_notified, superseded, without_silenced
from remediate.notify.items import by_host
from remediate.notify.notification import HostSection, ReportItem
from remediate.state.journal import CaseOutcome
from tests.support.notify.nightly_runs import NightlyRuns, text_of
from tests.support.notify.run_findings import (
    MAIL,
    OTHER,
    WEB,
    blocked,
    case_of,
    expired,
    logged_in,
    recorded_result,
    renewed,
)
from tests.support.remediate.result_rows import digest, found, seen


def test_repair_is_notified_once_with_its_dropped_names(runs: NightlyRuns) -> None:
    case = case_of(runs, *expired())
    lost = replace(case, dropped_names=(DroppedName("old.example.com", "it does not resolve"),))
    runs.notify(*expired(), case_results=[recorded_result(runs, lost, "proven")], after=renewed())
    [message] = runs.box.emails
    assert message["Subject"] == "web1: certificate for www.example.com expired 3 days ago; repaired"
    text = text_of(message)
    assert "All problems were repaired and verified by connecting to each address." in text
    assert "verified at every address; the certificate is valid until 2026-11-20 00:00 UTC" in text
    assert "old.example.com is no longer in the certificate: it does not resolve" in text
    assert runs.notify(*renewed()) == ()


def test_repair_in_part_is_not_notified_as_all_repaired(runs: NightlyRuns) -> None:
    case = replace(case_of(runs, *expired()), left_out=("web1/https://www.example.com:8444",))
    note = f"{case.left_out[0]} still serves the certificate of before"
    runs.notify(*expired(), case_results=[recorded_result(runs, case, "proven", note=note)], after=renewed())
    text = runs.box.texts[0]
    assert "There are problems that were not repaired." in text
    assert "REPAIRED IN PART dovecot, nginx" in text
    assert "verified at every address of the known services" in text
    assert note in text


@pytest.mark.parametrize("is_begun", [True, False], ids=["failed", "waits in the plan"])
def test_dropped_names_are_notified_before_the_repair(runs: NightlyRuns, *, is_begun: bool) -> None:
    name = DroppedName("old.example.com", "the configuration gives the name up")
    case = replace(case_of(runs, *expired()), dropped_names=(name,))
    if is_begun:
        runs.notify(*expired(), case_results=[recorded_result(runs, case, "failed", "self-test", Cause.DCV_BLOCKED)])
    else:
        waiting = WaitingCase(case, (Blocker(Cause.PLAN_WILDCARD, "*.example.com needs DNS validation"),))
        runs.notify(*expired(), waiting=(waiting,))
    text = runs.box.texts[0]
    assert "old.example.com will not be in the new certificate: the configuration gives the name up" in text


def test_verified_repair_whose_check_still_fails_is_a_failure(runs: NightlyRuns) -> None:
    case = case_of(runs, *expired())
    rows = [{**row, "phase": "after"} if row["kind"] == "result" else row for row in expired()]
    runs.notify(*expired(), case_results=[recorded_result(runs, case, "proven")], after=rows)
    [message] = runs.box.emails
    assert "; repair failed: the repair was verified, but the check still fails" in str(message["Subject"])


def test_recovery_without_a_repair_is_notified_once(runs: NightlyRuns) -> None:
    runs.notify(*expired(), case_results=[blocked(runs)])
    runs.notify(*renewed())
    assert runs.box.subjects[1:] == ["web1: all problems are solved"]
    text = runs.box.texts[1]
    assert "RECOVERED dovecot, nginx https://www.example.com:443, imaps://www.example.com:993" in text
    assert "Reason: certificate for www.example.com expired 3 days ago" in text
    assert "Happened: the check passes now" in text
    assert runs.notify(*renewed()) == ()


def test_repair_after_a_failure_is_not_also_a_recovery(runs: NightlyRuns) -> None:
    runs.notify(*expired(), case_results=[blocked(runs)])
    case = case_of(runs, *expired())
    runs.notify(*expired(), case_results=[recorded_result(runs, case, "proven")], after=renewed())
    assert runs.notify(*renewed()) == ()
    assert [subject.rpartition("; ")[2] for subject in runs.box.subjects[1:]] == ["repaired"]


def test_host_that_could_not_be_checked_has_not_recovered(runs: NightlyRuns) -> None:
    runs.notify(*expired(), case_results=[blocked(runs)])
    why = "web1: login: connection timed out"
    unknown = found("web1/", "svc.unreachable", verdict="inconclusive", message=why, remedy="manual")
    lost = (seen("web1/", leaf=None), unknown)
    runs.notify(*lost)
    text = runs.box.texts[1]
    assert "web1: 2 failed" in text
    assert why in text
    assert "not checked this time; this is the last known state" in text
    assert "RECOVERED" not in text
    assert runs.notify(*lost) == (), "and the night after that is silent"
    runs.notify(*renewed())
    assert runs.box.subjects[2:] == ["web1: all problems are solved"]


def test_host_that_a_run_left_out_is_not_notified(runs: NightlyRuns) -> None:
    runs.notify(*expired(), case_results=[blocked(runs)])
    assert runs.notify(logged_in("web2"), seen(OTHER)) == ()
    assert runs.notify(logged_in(), seen(WEB), found(WEB, "cert.expired", verdict="error")), "that itself is wrong"


def test_removed_service_is_notified_as_recovered(runs: NightlyRuns) -> None:
    runs.notify(*expired(), case_results=[blocked(runs)])
    runs.notify(logged_in(), seen(WEB, leaf="new"), found(WEB, "cert.expired", verdict="pass"))
    text = runs.box.texts[1]
    assert "Happened: the check passes now" in text
    assert "Happened: the endpoint is no longer on the host" in text


def test_recovery_beside_a_remaining_problem_is_not_all_solved(runs: NightlyRuns) -> None:
    old = (seen(OTHER, names=("b.example.com",)), found(OTHER, "tls.old-protocol", message="TLS 1.0 is offered"))
    runs.notify(*expired(), logged_in("web2"), *old, case_results=[blocked(runs)])
    runs.notify(*renewed(), logged_in("web2"), *old)
    assert runs.box.subjects[1] == (
        "web2: TLS 1.0 is offered; not repaired: the configuration has to be changed; a new certificate does not fix "
        "this"
    )
    assert "RECOVERED" in runs.box.texts[1]


def test_notification_of_recovery_lists_no_item_below_the_threshold(runs: NightlyRuns) -> None:
    minor = found(WEB, "tls.old-protocol", severity="low", message="TLS 1.1 is offered")
    runs.notify(*expired(), minor, case_results=[blocked(runs)])
    runs.notify(*renewed(), minor)
    assert runs.box.subjects[1] == "web1: all problems are solved"
    assert "TLS 1.1" not in runs.box.texts[1]


def test_check_that_another_finding_hides_has_not_recovered(runs: NightlyRuns) -> None:
    runs.notify(*expired(), case_results=[blocked(runs)])
    hidden = {"verdict": "inconclusive", "detail": {"because": "svc.unreachable"}}
    unknown = [found(endpoint, "cert.expired", **hidden) for endpoint in (WEB, MAIL)]
    down = [found(endpoint, "svc.unreachable", message="connection refused") for endpoint in (WEB, MAIL)]
    runs.notify(logged_in(), seen(WEB, leaf=None), seen(MAIL, leaf=None), *unknown, *down)
    text = runs.box.texts[1]
    assert "web1: 2 failed" in text
    assert "connection refused" in text
    assert "RECOVERED" not in text


def test_repair_of_a_killed_run_is_notified_by_the_next_run(runs: NightlyRuns) -> None:
    case = case_of(runs, *expired())
    recorded_result(runs, case, "proven")
    runs.journal.end(case.id, CaseOutcome("repaired", runs.now, digest("new")))
    runs.now += timedelta(days=1)
    runs.notify(*renewed())
    assert runs.box.subjects == ["web1: certificate for www.example.com expired 3 days ago; repaired"]
    text = runs.box.texts[0]
    assert "repaired at 2026-11-23 03:00 UTC, in a run that ended before it could report it" in text
    assert runs.notify(*renewed()) == ()


def test_notified_repair_is_not_notified_by_the_next_run(runs: NightlyRuns) -> None:
    case = case_of(runs, *expired())
    result = recorded_result(runs, case, "proven")
    runs.journal.end(case.id, CaseOutcome("repaired", runs.now + timedelta(minutes=5), digest("new")))
    runs.notify(*expired(), case_results=[result], after=renewed())
    assert "web1: 1 repaired" in runs.box.texts[0]
    assert runs.notify(*renewed()) == ()


def state_of(*to: str, check: str = "cert.expired") -> NotifiedState:
    """Return a state of these recipients with one problem."""
    return NotifiedState(to, (HostSection("web1", (ReportItem("failed", ("nginx",), WEB, check, "it is so"),)),))


def test_long_reason_is_stored_with_300_characters() -> None:
    long = NotifiedState((), by_host([("web1", replace(state_of().sections[0].items[0], reason="x" * 400))]))
    (stored,) = last_notified([str(long)]).values()
    assert len(stored.sections[0].items[0].reason) == 300


def test_problem_without_findings_is_never_silenced() -> None:
    state = state_of("ann@example.com")
    (item,) = state.sections[0].items
    assert item.findings == ()
    audited: Any = SimpleNamespace(before=SimpleNamespace(seen={}))
    assert without_silenced(state, audited) == state
    assert without_silenced(None, audited) is None


def test_notification_is_superseded_by_a_later_one_to_its_recipients() -> None:
    ann, bob = str(state_of("ann@example.com")), str(state_of("bob@example.com"))
    both = str(state_of("ann@example.com", "bob@example.com"))
    assert list(superseded([(1, ann), (2, bob), (3, ann), (4, both), (5, "{}"), (6, ann)])) == [1, 3]


def test_last_notification_to_the_same_recipients_is_compared() -> None:
    first, last = state_of("ann@example.com"), state_of("ann@example.com", check="key.weak")
    other = state_of("bob@example.com")
    known = last_notified([str(first), str(other), "{}", "not JSON", str(last)])
    assert known == {last.to: last, other.to: other}
