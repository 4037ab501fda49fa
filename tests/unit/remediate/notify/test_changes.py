"""Tests of the notification about a run: each result is notified once, and again when it changes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from audit.redaction import Secrets
from audit.verdict import Severity
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.state.database import JOURNAL_FILE
from remediate.state.orders import PlacedOrder
from tests.support.notify.nightly_runs import ADMIN, NightlyRuns, text_of
from tests.support.notify.run_findings import MAIL, WEB, blocked, case_of, expired, logged_in, recorded_result
from tests.support.remediate.result_rows import NOW, digest, file, found, seen


def test_failure_has_a_row_for_each_fact_and_the_next_attempt(runs: NightlyRuns) -> None:
    lines = runs.notify(*expired(), case_results=[blocked(runs)])
    [message] = runs.box.emails
    assert message["Subject"] == (
        "web1: certificate for www.example.com expired 3 days ago; "
        "repair failed: www.example.com at 192.0.2.7: blocked: nothing listens"
    )
    assert (message["From"], message["To"]) == ("sslaudit@ctl.example.com", ADMIN)
    text = text_of(message)
    for expected in (
        "web1: 1 failed",
        "FAILED dovecot, nginx https://www.example.com:443, imaps://www.example.com:993",
        "Reason: certificate for www.example.com expired 3 days ago [cert.expired, high]",
        "Tried: a new certificate for www.example.com; done: preconditions; stopped at: self-test",
        "Happened: www.example.com at 192.0.2.7: blocked: nothing listens [dcv.blocked]",
        "- http://www.example.com/.well-known/pki-validation/X.txt at 2001:db8::7: timed out",
        "What to do: open TCP port 80 of the address above",
        "Next attempt: with the first run after 2026-11-23 05:00 UTC",
    ):
        assert expected in text
    assert lines[-1] == "notification 1 sent"
    assert lines[0].startswith(f"notification 1 to {ADMIN}: web1: certificate")


def test_same_problems_again_send_nothing_whenever_the_next_attempt_is(runs: NightlyRuns) -> None:
    runs.notify(*expired(), case_results=[blocked(runs)])
    assert runs.notify(*expired(), case_results=[blocked(runs)]) == ()
    assert len(runs.box.sent) == 1


def test_case_that_is_not_due_or_not_begun_is_not_a_new_state(runs: NightlyRuns) -> None:
    failed = blocked(runs)
    runs.notify(*expired(), case_results=[failed])
    for cause in (Cause.RUN_NOT_DUE, Cause.RUN_CANARY, Cause.RUN_FAILURES, Cause.RUN_STOPPED):
        later = CaseResult(failed.case, "waiting", cause=cause, note="not now", next_at=runs.now + timedelta(hours=9))
        assert runs.notify(*expired(), case_results=[later]) == ()
    assert len(runs.box.sent) == 1


def test_other_cause_is_notified_again(runs: NightlyRuns) -> None:
    runs.notify(*expired(), case_results=[blocked(runs)])
    runs.notify(*expired(), case_results=[blocked(runs, Cause.DCV_WRONG_HOST)])
    assert len(runs.box.sent) == 2
    assert "point every A and AAAA record of the name to the host" in runs.box.texts[1]


def test_pending_order_is_notified_once_with_its_number(runs: NightlyRuns) -> None:
    case = case_of(runs, *expired())
    why = "store: order 4711 is being looked at"
    pending = recorded_result(runs, case, "pending", "collect", Cause.ISSUER_PENDING, why)
    runs.journal.orders.save(PlacedOrder(case.id, 1, "store", digest("csr"), "pending-review", NOW, "4711"))
    runs.notify(*expired(), case_results=[pending])
    [message] = runs.box.emails
    assert str(message["Subject"]).endswith("; waiting: store: order 4711 is being looked at")
    assert "(order 4711 at store)" in text_of(message)
    assert "the next run checks the same order" in text_of(message)
    again = CaseResult(case, "waiting", "", Cause.ISSUER_BUSY, "store asked to be left alone", next_at=runs.now)
    assert runs.notify(*expired(), case_results=[again]) == ()


def test_finding_without_repair_has_advice_and_groups_its_services(runs: NightlyRuns) -> None:
    offered = "TLS 1.0 is offered"
    rows = [found(endpoint, "tls.old-protocol", message=offered, service="exim") for endpoint in (WEB, MAIL)]
    quiet = (
        found(WEB, "cert.sct-missing", severity="info", remedy="reissue"),
        found(WEB, "key.weak", verdict="waived", waiver={"owner": "o", "reason": "r", "expires": "2027-01-01"}),
        found(WEB, "chain.incomplete", verdict="inconclusive", detail={"because": "svc.unreachable"}),
    )
    runs.notify(logged_in(), seen(WEB), seen(MAIL), *rows, *quiet)
    text = runs.box.texts[0]
    assert "web1: 1 failed" in text
    assert "FAILED exim https://www.example.com:443, imaps://www.example.com:993" in text
    assert "What to do: change the service's configuration (see the reason), test it and reload" in text


def test_item_below_the_threshold_is_listed_and_sends_nothing_alone(runs: NightlyRuns) -> None:
    minor = found(WEB, "tls.old-protocol", severity="low", message="TLS 1.1 is offered")
    assert runs.notify(logged_in(), seen(WEB), minor) == ()
    runs.notify(*expired(), minor, case_results=[blocked(runs)])
    assert runs.box.subjects[0].startswith("web1: certificate for www.example.com expired")
    assert "TLS 1.1 is offered" in runs.box.texts[0]
    assert runs.notify(*expired(), case_results=[blocked(runs)]) == (), "its disappearance is not news either"
    runs.change(fail_on=Severity.LOW)
    runs.notify(*expired(), minor, case_results=[blocked(runs)])
    assert len(runs.box.sent) == 2


def test_inconclusive_check_is_notified_if_it_fails_the_run(runs: NightlyRuns) -> None:
    unknown = found(WEB, "cert.revoked", verdict="inconclusive", message="the CA's server does not answer")
    runs.change(unknown_fails=False)
    assert runs.notify(logged_in(), seen(WEB), unknown) == ()
    runs.change(unknown_fails=True)
    runs.notify(logged_in(), seen(WEB), unknown)
    assert "the CA's server does not answer" in runs.box.subjects[0]


def test_case_that_waits_by_the_plan_names_every_cause(runs: NightlyRuns) -> None:
    rows = (
        logged_in(),
        seen(WEB, files=[file("/etc/ssl/www.pem")]),
        found(WEB, "cert.expired", message="it has expired"),
        found(WEB, "dns.not-this-host", message="www.example.com leads to 192.0.2.99"),
    )
    runs.notify(*rows)
    text = runs.box.texts[0]
    assert "WAITING nginx https://www.example.com:443" in text
    assert "www.example.com leads to 192.0.2.99 [dns.not-this-host]" in text
    assert "remove it from the service's configuration" in text
    assert runs.notify(*rows) == ()


def test_planned_case_that_was_not_begun_is_notified(runs: NightlyRuns) -> None:
    runs.notify(*expired())
    assert "the repair was not started [run.not-begun]" in runs.box.texts[0]


def test_secret_is_withheld_and_the_failure_is_notified_without_it(runs: NightlyRuns, tmp_path: Path) -> None:
    runs.change_mail(secrets=Secrets(("tok-1234567",)))
    runs.results = b'{"kind":"run","token":"tok-1234567"}\n'
    lines = runs.notify(*expired(), case_results=[blocked(runs)])
    assert "a secret of the configuration is in results.jsonl" in lines[0]
    assert list(runs.box.emails[0].iter_attachments()) == []
    case = case_of(runs, *expired())
    why = "the Store responded: tok-1234567 is not valid"
    refused = recorded_result(runs, case, "failed", "order", Cause.ISSUER_REFUSED, why)
    lines = runs.notify(*expired(), case_results=[refused])
    assert "(withheld because it holds a secret" in runs.box.texts[1]
    assert "what the issuer refused" in runs.box.texts[1]
    assert not [line for line in lines if "tok-1234567" in line]
    assert "tok-1234567" not in "".join(message.as_string() for message in runs.box.emails)
    with closing(sqlite3.connect(tmp_path / "state" / JOURNAL_FILE)) as database:
        kept = str(database.execute("SELECT state, message, progress FROM notifications").fetchall())
    assert "tok-1234567" not in kept


def test_text_of_hosts_and_issuers_is_not_interpreted(runs: NightlyRuns) -> None:
    hostile = "x\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script> \x1b[2J\u202e\ud800\x00"
    case = case_of(runs, *expired())
    result = recorded_result(runs, case, "failed", "order", Cause.ISSUER_REFUSED, hostile[:-3])
    lines = runs.notify(*expired(), case_results=[result])
    [message] = runs.box.emails
    assert "Bcc" not in message
    assert "<script>" not in str(message.get_body(("html",)))
    assert all(line.isprintable() for line in lines)
