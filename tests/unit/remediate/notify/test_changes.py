"""What a run came to is told once, with what was tried and what is to be done, and again when it changes."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

from audit.redaction import Secrets
from audit.verdict import Severity
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.state.database import JOURNAL_FILE
from remediate.state.orders import PlacedOrder
from tests.support.notify.nights import ADMIN, Nights, text_of
from tests.support.notify.results import MAIL, WEB, blocked, case_of, ended, expired, here
from tests.support.remediate.result_rows import NOW, digest, file, found, seen


def test_a_failure_says_service_port_reason_what_was_tried_what_happened_what_to_do_and_the_next_try(
    nights: Nights,
) -> None:
    lines = nights.night(*expired(), endings=[blocked(nights)])
    [message] = nights.box.emails
    assert message["Subject"] == (
        "web1: certificate for www.example.com expired 3 days ago; "
        "repair failed: www.example.com at 192.0.2.7: blocked: nothing listens"
    )
    assert (message["From"], message["To"]) == ("sslaudit@ctl.example.com", ADMIN)
    text = text_of(message)
    for said in (
        "web1: 1 failed",
        "FAILED dovecot, nginx https://www.example.com:443, imaps://www.example.com:993",
        "Reason: certificate for www.example.com expired 3 days ago [cert.expired, high]",
        "Tried: a new certificate for www.example.com; done: preconditions; stopped at: self-test",
        "Happened: www.example.com at 192.0.2.7: blocked: nothing listens [dcv.blocked]",
        "- http://www.example.com/.well-known/pki-validation/X.txt at 2001:db8::7: timed out",
        "What to do: open TCP port 80 of the address above",
        "Next try: with the first run after 2026-11-23 05:00 UTC",
    ):
        assert said in text
    assert lines[-1] == "notification 1 sent"
    assert lines[0].startswith(f"notification 1 to {ADMIN}: web1: certificate")


def test_the_same_night_again_is_silent_whenever_the_next_try_is(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    assert nights.night(*expired(), endings=[blocked(nights)]) == ()
    assert len(nights.box.sent) == 1


def test_a_case_that_is_not_due_or_not_come_to_is_no_new_state(nights: Nights) -> None:
    failed = blocked(nights)
    nights.night(*expired(), endings=[failed])
    for cause in (Cause.RUN_NOT_DUE, Cause.RUN_CANARY, Cause.RUN_FAILURES, Cause.RUN_STOPPED):
        later = CaseResult(failed.case, "waiting", cause=cause, note="not now", next_at=nights.now + timedelta(hours=9))
        assert nights.night(*expired(), endings=[later]) == ()
    assert len(nights.box.sent) == 1


def test_another_cause_is_told_again(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    nights.night(*expired(), endings=[blocked(nights, Cause.DCV_WRONG_HOST)])
    assert len(nights.box.sent) == 2
    assert "point every A and AAAA record of the name to the host" in text_of(nights.box.emails[1])


def test_an_order_that_is_under_way_waits_with_its_number_and_is_told_once(nights: Nights) -> None:
    case = case_of(nights, *expired())
    pending = ended(nights, case, "pending", "collect", Cause.ISSUER_PENDING, "store: order 4711 is being looked at")
    nights.journal.orders.save(PlacedOrder(case.id, 1, "store", digest("csr"), "pending-review", NOW, "4711"))
    nights.night(*expired(), endings=[pending])
    [message] = nights.box.emails
    assert str(message["Subject"]).endswith("; waiting: store: order 4711 is being looked at")
    assert "(order 4711 at store)" in text_of(message)
    assert "the next run asks about the same order" in text_of(message)
    again = CaseResult(case, "waiting", "", Cause.ISSUER_BUSY, "store asked to be left alone", next_at=nights.now)
    assert nights.night(*expired(), endings=[again]) == ()


def test_what_is_explained_is_told_with_what_a_person_is_to_do_and_services_together(nights: Nights) -> None:
    rows = [found(one, "tls.old-protocol", message="TLS 1.0 is offered", service="exim") for one in (WEB, MAIL)]
    quiet = (
        found(WEB, "cert.sct-missing", severity="info", remedy="reissue"),
        found(WEB, "key.weak", verdict="waived", waiver={"owner": "o", "reason": "r", "expires": "2027-01-01"}),
        found(WEB, "chain.incomplete", verdict="inconclusive", detail={"because": "svc.unreachable"}),
    )
    nights.night(here(), seen(WEB), seen(MAIL), *rows, *quiet)
    text = text_of(nights.box.emails[0])
    assert "web1: 1 failed" in text
    assert "FAILED exim https://www.example.com:443, imaps://www.example.com:993" in text
    assert "What to do: change the service's configuration as the reason says, test it and reload" in text


def test_what_does_not_fail_a_run_is_told_beside_others_and_is_no_reason_to_write(nights: Nights) -> None:
    minor = found(WEB, "tls.old-protocol", severity="low", message="TLS 1.1 is offered")
    assert nights.night(here(), seen(WEB), minor) == ()
    nights.night(*expired(), minor, endings=[blocked(nights)])
    assert nights.box.subjects[0].startswith("web1: certificate for www.example.com expired")
    assert "TLS 1.1 is offered" in text_of(nights.box.emails[0])
    assert nights.night(*expired(), endings=[blocked(nights)]) == (), "that it is gone is no news either"
    nights.change(fail_on=Severity.LOW)
    nights.night(*expired(), minor, endings=[blocked(nights)])
    assert len(nights.box.sent) == 2


def test_what_could_not_be_told_is_a_reason_to_write_where_it_fails_the_run(nights: Nights) -> None:
    unknown = found(WEB, "cert.revoked", verdict="inconclusive", message="the CA's server does not answer")
    nights.change(unknown_fails=False)
    assert nights.night(here(), seen(WEB), unknown) == ()
    nights.change(unknown_fails=True)
    nights.night(here(), seen(WEB), unknown)
    assert "the CA's server does not answer" in nights.box.subjects[0]


def test_a_case_that_waits_by_the_plan_names_every_reason(nights: Nights) -> None:
    rows = (
        here(),
        seen(WEB, files=[file("/etc/ssl/www.pem")]),
        found(WEB, "cert.expired", message="it has expired"),
        found(WEB, "dns.not-this-host", message="www.example.com leads to 192.0.2.99"),
    )
    nights.night(*rows)
    text = text_of(nights.box.emails[0])
    assert "WAITING nginx https://www.example.com:443" in text
    assert "www.example.com leads to 192.0.2.99 [dns.not-this-host]" in text
    assert "remove it from the service's configuration" in text
    assert nights.night(*rows) == ()


def test_a_planned_case_that_no_run_came_to_is_told(nights: Nights) -> None:
    nights.night(*expired())
    assert "no repair was begun [run.not-begun]" in text_of(nights.box.emails[0])


def test_a_secret_never_gets_into_a_notification_and_the_failure_is_told_all_the_same(
    nights: Nights, tmp_path: Path
) -> None:
    nights.change_mail(secrets=Secrets(("tok-1234567",)))
    nights.results = b'{"kind":"run","token":"tok-1234567"}\n'
    lines = nights.night(*expired(), endings=[blocked(nights)])
    assert "a secret of the configuration is in results.jsonl" in lines[0]
    assert list(nights.box.emails[0].iter_attachments()) == []
    case = case_of(nights, *expired())
    said = ended(nights, case, "failed", "order", Cause.ISSUER_REFUSED, "the Store said tok-1234567 is no good")
    lines = nights.night(*expired(), endings=[said])
    assert "(withheld because it holds a secret" in text_of(nights.box.emails[1])
    assert "what the issuer refuses" in text_of(nights.box.emails[1])
    assert not [line for line in lines if "tok-1234567" in line]
    assert "tok-1234567" not in "".join(one.as_string() for one in nights.box.emails)
    with sqlite3.connect(tmp_path / "state" / JOURNAL_FILE) as database:
        kept = str(database.execute("SELECT state, message, progress FROM notifications").fetchall())
    assert "tok-1234567" not in kept


def test_what_hosts_and_issuers_say_is_text(nights: Nights) -> None:
    hostile = "x\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script> \x1b[2J\u202e\ud800\x00"
    case = case_of(nights, *expired())
    lines = nights.night(
        *expired(), endings=[ended(nights, case, "failed", "order", Cause.ISSUER_REFUSED, hostile[:-3])]
    )
    [message] = nights.box.emails
    assert "Bcc" not in message
    assert "<script>" not in str(message.get_body(("html",)))
    assert all(line.isprintable() for line in lines)
