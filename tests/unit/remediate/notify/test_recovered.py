"""What is well again is told once, and only of what was looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from remediate.model.case import DroppedName
from remediate.notify.changes import NotifiedState, last_notified, superseded
from remediate.notify.notification import HostSection, ReportItem
from remediate.state.journal import CaseOutcome
from tests.support.notify.nights import Nights, text_of
from tests.support.notify.results import MAIL, OTHER, WEB, blocked, case_of, ended, expired, here, renewed
from tests.support.remediate.result_rows import digest, found, seen


def test_a_repair_is_told_with_what_was_lost_and_the_next_night_is_silent(nights: Nights) -> None:
    case = case_of(nights, *expired())
    lost = replace(case, dropped_names=(DroppedName("old.example.com", "it does not resolve"),))
    nights.night(*expired(), endings=[ended(nights, lost, "proven")], after=renewed())
    [message] = nights.box.emails
    assert message["Subject"] == "web1: certificate for www.example.com expired 3 days ago; repaired"
    text = text_of(message)
    assert "All problems were repaired and verified by connecting to each address." in text
    assert "it is proven on every address; the certificate is valid until 2026-11-20 00:00 UTC" in text
    assert "old.example.com is no longer in the certificate: it does not resolve" in text
    assert nights.night(*renewed()) == ()


def test_a_repair_that_is_proven_and_did_not_mend_the_finding_is_a_failure(nights: Nights) -> None:
    case = case_of(nights, *expired())
    rows = [{**row, "phase": "after"} if row["kind"] == "result" else row for row in expired()]
    nights.night(*expired(), endings=[ended(nights, case, "proven")], after=rows)
    [message] = nights.box.emails
    assert "; repair failed: the repair was verified, but the check still fails" in str(message["Subject"])


def test_what_is_well_again_is_told_once_whoever_mended_it(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    nights.night(*renewed())
    assert nights.box.subjects[1:] == ["web1: all problems are solved"]
    text = text_of(nights.box.emails[1])
    assert "RECOVERED dovecot, nginx https://www.example.com:443, imaps://www.example.com:993" in text
    assert "Reason: certificate for www.example.com expired 3 days ago" in text
    assert "Happened: the check passes now" in text
    assert nights.night(*renewed()) == ()


def test_a_repair_after_a_failure_is_one_notification_and_no_recovery_beside_it(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    case = case_of(nights, *expired())
    nights.night(*expired(), endings=[ended(nights, case, "proven")], after=renewed())
    assert nights.night(*renewed()) == ()
    assert [subject.rpartition("; ")[2] for subject in nights.box.subjects[1:]] == ["repaired"]


def test_a_host_that_could_not_be_looked_at_has_not_recovered(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    why = "web1: login: connection timed out"
    lost = (
        seen("web1/", leaf=None),
        found("web1/", "svc.unreachable", verdict="inconclusive", message=why, remedy="manual"),
    )
    nights.night(*lost)
    text = text_of(nights.box.emails[1])
    assert "web1: 2 failed" in text
    assert why in text
    assert "not checked this time; this is the last known state" in text
    assert "RECOVERED" not in text
    assert nights.night(*lost) == (), "and the night after that is silent"
    nights.night(*renewed())
    assert nights.box.subjects[2:] == ["web1: all problems are solved"]


def test_a_run_that_did_not_look_at_a_host_at_all_says_nothing_of_it(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    assert nights.night(here("web2"), seen(OTHER)) == ()
    assert nights.night(here(), seen(WEB), found(WEB, "cert.expired", verdict="error")) != (), "that itself is wrong"


def test_a_service_that_is_not_there_any_more_is_told_as_such(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    nights.night(here(), seen(WEB, leaf="new"), found(WEB, "cert.expired", verdict="pass"))
    text = text_of(nights.box.emails[1])
    assert "Happened: the check passes now" in text
    assert "Happened: the endpoint is no longer on the host" in text


def test_one_that_recovers_beside_one_that_is_still_wrong_does_not_make_all_well(nights: Nights) -> None:
    old = (seen(OTHER, names=("b.example.com",)), found(OTHER, "tls.old-protocol", message="TLS 1.0 is offered"))
    nights.night(*expired(), here("web2"), *old, endings=[blocked(nights)])
    nights.night(*renewed(), here("web2"), *old)
    assert nights.box.subjects[1] == (
        "web2: TLS 1.0 is offered; not repaired: the configuration has to be changed; a new certificate does not fix "
        "this"
    )
    assert "RECOVERED" in text_of(nights.box.emails[1])


def test_a_notification_that_all_is_well_names_nothing_that_is_not(nights: Nights) -> None:
    minor = found(WEB, "tls.old-protocol", severity="low", message="TLS 1.1 is offered")
    nights.night(*expired(), minor, endings=[blocked(nights)])
    nights.night(*renewed(), minor)
    assert nights.box.subjects[1] == "web1: all problems are solved"
    assert "TLS 1.1" not in text_of(nights.box.emails[1])


def test_what_cannot_be_told_tonight_because_of_another_finding_has_not_recovered(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    unknown = [
        found(one, "cert.expired", verdict="inconclusive", detail={"because": "svc.unreachable"}) for one in (WEB, MAIL)
    ]
    down = [found(one, "svc.unreachable", message="connection refused") for one in (WEB, MAIL)]
    nights.night(here(), seen(WEB, leaf=None), seen(MAIL, leaf=None), *unknown, *down)
    text = text_of(nights.box.emails[1])
    assert "web1: 2 failed" in text
    assert "connection refused" in text
    assert "RECOVERED" not in text


def test_a_repair_of_a_run_that_was_killed_before_it_could_tell_is_told_by_the_next_one(nights: Nights) -> None:
    case = case_of(nights, *expired())
    ended(nights, case, "proven")
    nights.journal.end(case.id, CaseOutcome("repaired", nights.now, digest("new")))
    nights.now += timedelta(days=1)
    nights.night(*renewed())
    assert nights.box.subjects == ["web1: certificate for www.example.com expired 3 days ago; repaired"]
    assert "repaired at 2026-11-23 03:00 UTC, in a run that ended before it could report it" in text_of(
        nights.box.emails[0]
    )
    assert nights.night(*renewed()) == ()


def test_a_repair_that_is_told_is_not_told_by_the_next_run(nights: Nights) -> None:
    case = case_of(nights, *expired())
    ending = ended(nights, case, "proven")
    nights.journal.end(case.id, CaseOutcome("repaired", nights.now + timedelta(minutes=5), digest("new")))
    nights.night(*expired(), endings=[ending], after=renewed())
    assert "web1: 1 repaired" in text_of(nights.box.emails[0])
    assert nights.night(*renewed()) == ()


def state_of(*to: str, check: str = "cert.expired") -> NotifiedState:
    """Return what these recipients were told: one problem."""
    return NotifiedState(to, (HostSection("web1", (ReportItem("failed", ("nginx",), WEB, check, "it is so"),)),))


def test_notification_is_superseded_by_each_later_one_to_the_same_recipients() -> None:
    ann, bob = str(state_of("ann@example.com")), str(state_of("bob@example.com"))
    both = str(state_of("ann@example.com", "bob@example.com"))
    assert list(superseded([(1, ann), (2, bob), (3, ann), (4, both), (5, "{}"), (6, ann)])) == [1, 3]


def test_last_notification_to_the_same_recipients_is_what_they_know() -> None:
    first, last = state_of("ann@example.com"), state_of("ann@example.com", check="key.weak")
    other = state_of("bob@example.com")
    known = last_notified([str(first), str(other), "{}", "not JSON", str(last)])
    assert known == {last.to: last, other.to: other}
