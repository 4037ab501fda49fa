"""What a run came to is told once to whoever is to read it, again when it changes, and once more when it is well."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.checks import Severity
from audit.configuration.schema import Mail
from remediate.case import Case, LeftOut
from remediate.database import FILE
from remediate.journal import Event, Journal, open_journal
from remediate.journal import Outcome as CaseOutcome
from remediate.ledger import PlacedOrder
from remediate.post import Deferred, Envelope, Outcome, Refused, Unknown
from remediate.posts import posts_of
from remediate.schedule import Attempt
from remediate.walk import Ending
from tests.letters.nights import ADMIN, Contacts, Letterbox, Nights, text_of
from tests.letters.sink import serving
from tests.remediate.rows import NOW, Row, digest, file, found, seen

WEB = "web1/https://www.example.com:443"
MAIL = "web1/imaps://www.example.com:993"
OTHER = "web2/https://b.example.com:443"
HOPS = (
    "www.example.com at 192.0.2.7: blocked: nothing listens\n"
    "  http://www.example.com/.well-known/pki-validation/X.txt at 192.0.2.7: connection refused\n"
    "www.example.com at 2001:db8::7: blocked: no answer\n"
    "  http://www.example.com/.well-known/pki-validation/X.txt at 2001:db8::7: timed out"
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path / "state") as journal:
        yield journal


@pytest.fixture
def nights(journal: Journal) -> Nights:
    return Nights(journal)


def here(host: str = "web1") -> Row:
    """Return that a host was logged into."""
    return found(f"{host}/", "svc.unreachable", verdict="pass")


def expired() -> tuple[Row, ...]:
    """Return one certificate of two services that has expired."""
    files = [file("/etc/ssl/www.pem")]
    both = (seen(WEB, files=files), seen(MAIL, files=files, service="dovecot"))
    reason = "certificate for www.example.com expired 3 days ago"
    return (here(), *both, *(found(one, "cert.expired", message=reason) for one in (WEB, MAIL)))


def renewed() -> tuple[Row, ...]:
    """Return the same, well."""
    both = (seen(WEB, leaf="new"), seen(MAIL, leaf="new", service="dovecot"))
    return (here(), *both, *(found(one, "cert.expired", verdict="pass", phase="after") for one in (WEB, MAIL)))


def case_of(nights: Nights, *rows: Row) -> Case:
    [case] = nights.plan(*rows).cases
    return case


def ended(nights: Nights, case: Case, *how: Any, **differing: Any) -> Ending:  # noqa: ANN401 - an ending's fields
    """Return how a case ended tonight, kept as a run keeps it."""
    ending = Ending(case, *how, **differing)
    begun = nights.journal.begin(case, nights.now)
    if ending.step and begun.steps[0].state == "planned":
        nights.journal.record(case.id, Event("preconditions", "done", nights.now))
    nights.journal.ledger.keep_attempt(
        case.id, Attempt(nights.now, how[0], ending.step, f"{ending.cause}: {ending.note}", next_at=ending.next_at)
    )
    if ending.kind == "failed":
        nights.journal.end(case.id, CaseOutcome("failed", nights.now))
    return ending


def blocked(nights: Nights, cause: str = "dcv.blocked") -> Ending:
    case = case_of(nights, *expired())
    return ended(nights, case, "failed", "self-test", cause, HOPS, next_at=nights.now + timedelta(hours=2))


def test_a_failure_says_service_port_reason_what_was_tried_what_happened_what_to_do_and_the_next_try(
    nights: Nights,
) -> None:
    lines = nights.night(*expired(), endings=[blocked(nights)])
    [letter] = nights.box.letters
    assert letter["Subject"] == (
        "web1: certificate for www.example.com expired 3 days ago; "
        "repair failed: www.example.com at 192.0.2.7: blocked: nothing listens"
    )
    assert (letter["From"], letter["To"]) == ("sslaudit@ctl.example.com", ADMIN)
    text = text_of(letter)
    for said in (
        "web1: 1 failed",
        "FAILED dovecot, nginx https://www.example.com:443, imaps://www.example.com:993",
        "Reason: certificate for www.example.com expired 3 days ago [cert.expired, high]",
        "Tried: a new certificate for www.example.com; done: preconditions; stopped at: self-test",
        "Happened: www.example.com at 192.0.2.7: blocked: nothing listens [dcv.blocked]",
        "- http://www.example.com/.well-known/pki-validation/X.txt at 2001:db8::7: timed out",
        "What to do: open TCP port 80 to the world",
        "Next try: by the first run after 2026-11-23 05:00 UTC",
    ):
        assert said in text
    assert lines[-1] == "letter 1: handed over"
    assert lines[0].startswith(f"letter 1 to {ADMIN}: web1: certificate")


def test_the_same_night_again_is_silent_whenever_the_next_try_is(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    assert nights.night(*expired(), endings=[blocked(nights)]) == ()
    assert len(nights.box.sent) == 1


def test_a_case_that_is_not_due_or_not_come_to_is_no_new_state(nights: Nights) -> None:
    failed = blocked(nights)
    nights.night(*expired(), endings=[failed])
    for cause in ("run.not-due", "run.canary", "run.failures", "run.stopped"):
        later = Ending(failed.case, "waiting", cause=cause, note="not now", next_at=nights.now + timedelta(hours=9))
        assert nights.night(*expired(), endings=[later]) == ()
    assert len(nights.box.sent) == 1


def test_another_cause_is_told_again(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    nights.night(*expired(), endings=[blocked(nights, "dcv.wrong-host")])
    assert len(nights.box.sent) == 2
    assert "let every A and AAAA record of the name lead to the host" in text_of(nights.box.letters[1])


def test_an_order_that_is_under_way_waits_with_its_number_and_is_told_once(nights: Nights) -> None:
    case = case_of(nights, *expired())
    pending = ended(nights, case, "pending", "collect", "issuer.pending", "store: order 4711 is being looked at")
    nights.journal.ledger.keep_order(PlacedOrder(case.id, 1, "store", digest("csr"), "pending-review", NOW, "4711"))
    nights.night(*expired(), endings=[pending])
    [letter] = nights.box.letters
    assert str(letter["Subject"]).endswith("; waiting: store: order 4711 is being looked at")
    assert "(order 4711 at store)" in text_of(letter)
    assert "the next run asks about the same order" in text_of(letter)
    again = Ending(case, "waiting", "", "issuer.busy", "store asked to be left alone", next_at=nights.now)
    assert nights.night(*expired(), endings=[again]) == ()


def test_a_repair_is_told_with_what_was_lost_and_the_next_night_is_silent(nights: Nights) -> None:
    case = case_of(nights, *expired())
    lost = replace(case, left_out=(LeftOut("old.example.com", "it does not resolve"),))
    nights.night(*expired(), endings=[ended(nights, lost, "proven")], after=renewed())
    [letter] = nights.box.letters
    assert letter["Subject"] == "web1: certificate for www.example.com expired 3 days ago; repaired"
    text = text_of(letter)
    assert "What was wrong has been repaired and is proven on the wire." in text
    assert "it is proven on every address; the certificate is valid until 2026-11-20 00:00 UTC" in text
    assert "old.example.com is not in it any more: it does not resolve" in text
    assert nights.night(*renewed()) == ()


def test_a_repair_that_is_proven_and_did_not_mend_the_finding_is_a_failure(nights: Nights) -> None:
    case = case_of(nights, *expired())
    rows = [{**row, "phase": "after"} if row["kind"] == "result" else row for row in expired()]
    nights.night(*expired(), endings=[ended(nights, case, "proven")], after=rows)
    [letter] = nights.box.letters
    assert "; repair failed: the repair is proven on the wire, and yet it is found again" in str(letter["Subject"])


def test_what_is_well_again_is_told_once_whoever_mended_it(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    nights.night(*renewed())
    assert nights.box.subjects[1:] == ["web1: all is well again"]
    text = text_of(nights.box.letters[1])
    assert "RECOVERED dovecot, nginx https://www.example.com:443, imaps://www.example.com:993" in text
    assert "Reason: certificate for www.example.com expired 3 days ago" in text
    assert "Happened: it is well now" in text
    assert nights.night(*renewed()) == ()


def test_a_repair_after_a_failure_is_one_letter_and_no_recovery_beside_it(nights: Nights) -> None:
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
    text = text_of(nights.box.letters[1])
    assert "web1: 2 failed" in text
    assert why in text
    assert "it could not be looked at this time; this is what was known before" in text
    assert "RECOVERED" not in text
    assert nights.night(*lost) == (), "and the night after that is silent"
    nights.night(*renewed())
    assert nights.box.subjects[2:] == ["web1: all is well again"]


def test_a_run_that_did_not_look_at_a_host_at_all_says_nothing_of_it(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    assert nights.night(here("web2"), seen(OTHER)) == ()
    assert nights.night(here(), seen(WEB), found(WEB, "cert.expired", verdict="error")) != (), "that itself is wrong"


def test_a_service_that_is_not_there_any_more_is_told_as_such(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    nights.night(here(), seen(WEB, leaf="new"), found(WEB, "cert.expired", verdict="pass"))
    text = text_of(nights.box.letters[1])
    assert "Happened: it is well now" in text
    assert "Happened: it is not found on the host any more" in text


def test_one_that_recovers_beside_one_that_is_still_wrong_does_not_make_all_well(nights: Nights) -> None:
    old = (seen(OTHER, names=("b.example.com",)), found(OTHER, "tls.old-protocol", message="TLS 1.0 is offered"))
    nights.night(*expired(), here("web2"), *old, endings=[blocked(nights)])
    nights.night(*renewed(), here("web2"), *old)
    assert nights.box.subjects[1] == (
        "web2: TLS 1.0 is offered; not repaired: the configuration is to be changed; no certificate would mend it"
    )
    assert "RECOVERED" in text_of(nights.box.letters[1])


def test_what_is_explained_is_told_with_what_a_person_is_to_do_and_services_together(nights: Nights) -> None:
    rows = [found(one, "tls.old-protocol", message="TLS 1.0 is offered", service="exim") for one in (WEB, MAIL)]
    quiet = (
        found(WEB, "cert.sct-missing", severity="info", remedy="reissue"),
        found(WEB, "key.weak", verdict="waived", waiver={"owner": "o", "reason": "r", "expires": "2027-01-01"}),
        found(WEB, "chain.incomplete", verdict="inconclusive", detail={"because": "svc.unreachable"}),
    )
    nights.night(here(), seen(WEB), seen(MAIL), *rows, *quiet)
    text = text_of(nights.box.letters[0])
    assert "web1: 1 failed" in text
    assert "FAILED exim https://www.example.com:443, imaps://www.example.com:993" in text
    assert "What to do: change the service's configuration as the reason says, test it and reload" in text


def test_what_does_not_fail_a_run_is_told_beside_others_and_is_no_reason_to_write(nights: Nights) -> None:
    minor = found(WEB, "tls.old-protocol", severity="low", message="TLS 1.1 is offered")
    assert nights.night(here(), seen(WEB), minor) == ()
    nights.night(*expired(), minor, endings=[blocked(nights)])
    assert nights.box.subjects[0].startswith("web1: certificate for www.example.com expired")
    assert "TLS 1.1 is offered" in text_of(nights.box.letters[0])
    assert nights.night(*expired(), endings=[blocked(nights)]) == (), "that it is gone is no news either"
    nights.change(fail_on=Severity.LOW)
    nights.night(*expired(), minor, endings=[blocked(nights)])
    assert len(nights.box.sent) == 2


def test_a_letter_that_all_is_well_names_nothing_that_is_not(nights: Nights) -> None:
    minor = found(WEB, "tls.old-protocol", severity="low", message="TLS 1.1 is offered")
    nights.night(*expired(), minor, endings=[blocked(nights)])
    nights.night(*renewed(), minor)
    assert nights.box.subjects[1] == "web1: all is well again"
    assert "TLS 1.1" not in text_of(nights.box.letters[1])


def test_what_could_not_be_told_is_a_reason_to_write_where_it_fails_the_run(nights: Nights) -> None:
    unknown = found(WEB, "cert.revoked", verdict="inconclusive", message="the CA's server does not answer")
    nights.change(unknown_fails=False)
    assert nights.night(here(), seen(WEB), unknown) == ()
    nights.change(unknown_fails=True)
    nights.night(here(), seen(WEB), unknown)
    assert "the CA's server does not answer" in nights.box.subjects[0]


def test_letters_that_were_followed_by_another_are_not_kept_for_ever(nights: Nights) -> None:
    for cause in ("dcv.blocked", "dcv.missing", "dcv.broken"):
        nights.night(*expired(), endings=[blocked(nights, cause)])
    assert [number for number, _ in nights.journal.outbox.taken()] == [5]
    nights.box.outcome = Deferred("greylisted")
    nights.night(*expired(), endings=[blocked(nights, "dcv.altered")])
    assert len(nights.journal.outbox.taken()) == 1, "what was told last counts until the next is handed over"
    assert nights.night(*expired(), endings=[blocked(nights, "dcv.altered")])[0].startswith("letter 7: ")


def test_a_case_that_waits_by_the_plan_names_every_reason(nights: Nights) -> None:
    rows = (
        here(),
        seen(WEB, files=[file("/etc/ssl/www.pem")]),
        found(WEB, "cert.expired", message="it has expired"),
        found(WEB, "dns.not-this-host", message="www.example.com leads to 192.0.2.99"),
    )
    nights.night(*rows)
    text = text_of(nights.box.letters[0])
    assert "WAITING nginx https://www.example.com:443" in text
    assert "www.example.com leads to 192.0.2.99 [dns.not-this-host]" in text
    assert "take the name out of the service's configuration" in text
    assert nights.night(*rows) == ()


def test_a_planned_case_that_no_run_came_to_is_told(nights: Nights) -> None:
    nights.night(*expired())
    assert "no repair was begun [run.not-begun]" in text_of(nights.box.letters[0])


def test_each_reader_gets_only_what_is_theirs(nights: Nights) -> None:
    other = (here("web2"), seen(OTHER), found(OTHER, "tls.old-protocol", message="TLS 1.0 is offered"))
    nights.change(to=())
    first, second = Contacts("one@example.com\n"), Contacts("\\root\n", "CONTACTEMAIL two@example.com\n")
    third = Contacts()
    nights.hands = {"web1": first, "web2": second, "web3": third}
    nights.results = b"".join(
        b'{"kind":"result","endpoint":"%s"}\n' % one.encode() for one in (WEB, OTHER, "https://c.example.com:443")
    )
    nights.night(*expired(), *other, endings=[blocked(nights)])
    by_reader = {str(letter["To"]): letter for letter in nights.box.letters}
    assert sorted(by_reader) == ["one@example.com", "two@example.com"]
    assert "b.example.com" not in by_reader["one@example.com"].as_string()
    assert "www.example.com" not in by_reader["two@example.com"].as_string()
    attached = [part.get_content() for part in by_reader["one@example.com"].iter_attachments()]
    assert attached == [b'{"kind":"result","endpoint":"%s"}\n' % WEB.encode()]
    assert not third.asked, "nothing is wrong there"
    assert not first.asked[0].changes
    nights.night(*renewed(), *other)
    assert str(nights.box.letters[2]["To"]) == "one@example.com"
    assert nights.box.subjects[2:] == ["web1: all is well again"]


def test_a_host_that_cannot_be_asked_is_told_of_to_who_was_told_before_and_else_to_root_here(nights: Nights) -> None:
    nights.change(to=())
    nights.hands = {"web1": Contacts("one@example.com\n")}
    nights.night(*expired(), endings=[blocked(nights)])
    nights.hands = {}
    nights.night(*expired(), endings=[blocked(nights, "host.unreachable")])
    nights.night(here("web2"), seen(OTHER), found(OTHER, "tls.old-protocol"))
    assert [str(one["To"]) for one in nights.box.letters] == [
        *("one@example.com", "one@example.com", "root@ctl.example.com")
    ]


def test_the_results_are_attached_and_compressed_when_they_are_long(nights: Nights) -> None:
    nights.results = b'{"kind":"run"}\n'
    nights.night(*expired(), endings=[blocked(nights)])
    nights.results = b'{"kind":"result","endpoint":"x"}\n' * 20_000
    nights.night(*expired(), endings=[blocked(nights, "dcv.missing")])
    names = [[one.get_filename() for one in letter.iter_attachments()] for letter in nights.box.letters]
    assert names == [["results.jsonl"], ["results.jsonl.gz"]]


def test_a_secret_never_gets_into_a_letter_and_the_failure_is_told_all_the_same(nights: Nights, tmp_path: Path) -> None:
    nights.change(secrets=("tok-1234567",))
    nights.results = b'{"kind":"run","token":"tok-1234567"}\n'
    lines = nights.night(*expired(), endings=[blocked(nights)])
    assert "there is a secret of the configuration in results.jsonl" in lines[0]
    assert list(nights.box.letters[0].iter_attachments()) == []
    case = case_of(nights, *expired())
    said = ended(nights, case, "failed", "order", "issuer.refused", "the Store said tok-1234567 is no good")
    lines = nights.night(*expired(), endings=[said])
    assert "(withheld: it would have held a secret" in text_of(nights.box.letters[1])
    assert "what the issuer refuses" in text_of(nights.box.letters[1])
    assert not [line for line in lines if "tok-1234567" in line]
    assert "tok-1234567" not in "".join(one.as_string() for one in nights.box.letters)
    with sqlite3.connect(tmp_path / "state" / FILE) as database:
        kept = str(database.execute("SELECT state, message, progress FROM letters").fetchall())
    assert "tok-1234567" not in kept


def test_what_hosts_and_issuers_say_is_text(nights: Nights) -> None:
    hostile = "x\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script> \x1b[2J\u202e\ud800\x00"
    case = case_of(nights, *expired())
    lines = nights.night(*expired(), endings=[ended(nights, case, "failed", "order", "issuer.refused", hostile[:-3])])
    [letter] = nights.box.letters
    assert "Bcc" not in letter
    assert "<script>" not in str(letter.get_body(("html",)))
    assert all(line.isprintable() for line in lines)


def test_without_mail_in_the_configuration_nothing_is_sent_and_nothing_kept(nights: Nights) -> None:
    nights.account = None
    assert nights.night(*expired()) == ("nobody is written to: there is no [mail] in the configuration",)
    assert nights.night(*renewed()) == ()
    assert nights.journal.outbox.waiting() == ()


def test_addresses_that_are_none_are_said_and_the_others_are_told(nights: Nights) -> None:
    nights.change(to=(ADMIN, "-oQ/tmp", "two@example.com"), from_="no address")
    lines = nights.night(*expired(), endings=[blocked(nights)])
    assert lines[:2] == ("'-oQ/tmp' of [mail] is no address", "'no address' of [mail] is no address")
    [letter] = nights.box.letters
    assert (letter["To"], letter["From"]) == (f"{ADMIN}, two@example.com", "sslaudit@ctl.example.com")


def test_a_letter_that_nobody_took_is_kept_and_handed_over_by_the_next_run(nights: Nights) -> None:
    nights.change(posts=())
    lines = nights.night(*expired(), endings=[blocked(nights)])
    assert "deferred: there is no way to send mail; tried again from" in lines[-1]
    with serving() as sink:
        nights.change(posts=posts_of(Mail(smtp=f"smtp://localhost:{sink.port}"), None))
        assert nights.night(*expired(), endings=[blocked(nights)]) == ("letter 1: handed over",)
        assert nights.night(*expired(), endings=[blocked(nights)]) == ()
    [(sender, recipients, content)] = sink.taken
    assert (sender, recipients) == ("sslaudit@ctl.example.com", (ADMIN,))
    assert b"Subject: web1: certificate for www.example.com expired" in content


def test_a_letter_that_was_refused_counts_as_not_told(nights: Nights) -> None:
    nights.box.outcome = Refused("550 no such user")
    lines = nights.night(*expired(), endings=[blocked(nights)])
    assert lines[-1] == f"letter 1: {ADMIN}: refused: 550 no such user"
    nights.box.outcome = Letterbox().outcome
    nights.night(*expired(), endings=[blocked(nights)])
    assert len(nights.box.sent) == 1


def test_killed_between_the_commit_and_its_record_the_next_run_writes_anew(nights: Nights) -> None:
    class Killed(Letterbox):
        def send(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, Outcome]:
            commit()
            raise KeyboardInterrupt(envelope.recipients)

    nights.change(posts=(Killed(),))
    with pytest.raises(KeyboardInterrupt):
        nights.night(*expired(), endings=[blocked(nights)])
    nights.change(posts=(nights.box,))
    lines = nights.night(*expired(), endings=[blocked(nights)])
    assert lines[0] == f"letter 1: {ADMIN}: unknown: interrupted before the answer came"
    assert len(nights.box.sent) == 1
    assert nights.night(*expired(), endings=[blocked(nights)]) == ()


def test_a_letter_whose_answer_was_lost_is_followed_by_one_of_the_next_run(nights: Nights) -> None:
    nights.box.outcome = Unknown("cut")
    nights.night(*expired(), endings=[blocked(nights)])
    nights.box.outcome = Deferred("greylisted")
    nights.night(*expired(), endings=[blocked(nights)])
    nights.box.outcome = Letterbox().outcome
    nights.night(*expired(), endings=[blocked(nights)])
    assert len(nights.box.sent) == 1


def test_a_repair_of_a_run_that_was_killed_before_it_could_tell_is_told_by_the_next_one(nights: Nights) -> None:
    case = case_of(nights, *expired())
    ended(nights, case, "proven")
    nights.journal.end(case.id, CaseOutcome("repaired", nights.now, digest("new")))
    nights.now += timedelta(days=1)
    nights.night(*renewed())
    assert nights.box.subjects == ["web1: certificate for www.example.com expired 3 days ago; repaired"]
    assert "that was 2026-11-23 03:00 UTC, in a run that ended before it could tell" in text_of(nights.box.letters[0])
    assert nights.night(*renewed()) == ()


def test_a_repair_that_is_told_is_not_told_by_the_next_run(nights: Nights) -> None:
    case = case_of(nights, *expired())
    ending = ended(nights, case, "proven")
    nights.journal.end(case.id, CaseOutcome("repaired", nights.now + timedelta(minutes=5), digest("new")))
    nights.night(*expired(), endings=[ending], after=renewed())
    assert "web1: 1 repaired" in text_of(nights.box.letters[0])
    assert nights.night(*renewed()) == ()


def test_letters_are_kept_all_or_none_so_that_a_run_killed_between_them_tells_all(nights: Nights) -> None:
    nights.change(to=())
    nights.hands = {"web1": Contacts("one@example.com\n"), "web2": Contacts("two@example.com\n")}
    rows = (*expired(), here("web2"), seen(OTHER), found(OTHER, "tls.old-protocol"))

    class Mortal(type(nights.journal.outbox)):  # type: ignore[misc]  # the outbox itself, killed after its first letter
        def keep(self, state: str, message: bytes | None, at: Any) -> int:  # noqa: ANN401 - as it is
            super().keep(state, message, at)
            raise KeyboardInterrupt

    alive = nights.journal.outbox
    nights.journal.outbox = Mortal(alive._database)
    with pytest.raises(KeyboardInterrupt):
        nights.night(*rows, endings=[blocked(nights)])
    nights.journal.outbox = alive
    assert alive.waiting() == ()
    nights.night(*rows, endings=[blocked(nights)])
    assert sorted(str(letter["To"]) for letter in nights.box.letters) == ["one@example.com", "two@example.com"]


def test_what_cannot_be_told_tonight_because_of_another_finding_has_not_recovered(nights: Nights) -> None:
    nights.night(*expired(), endings=[blocked(nights)])
    unknown = [
        found(one, "cert.expired", verdict="inconclusive", detail={"because": "svc.unreachable"}) for one in (WEB, MAIL)
    ]
    down = [found(one, "svc.unreachable", message="connection refused") for one in (WEB, MAIL)]
    nights.night(here(), seen(WEB, leaf=None), seen(MAIL, leaf=None), *unknown, *down)
    text = text_of(nights.box.letters[1])
    assert "web1: 2 failed" in text
    assert "connection refused" in text
    assert "RECOVERED" not in text


def test_who_is_no_longer_the_reader_of_a_host_hears_of_it_once_more_when_it_is_well(nights: Nights) -> None:
    nights.change(to=())
    nights.hands = {"web1": Contacts("one@example.com\n")}
    nights.night(*expired(), endings=[blocked(nights)])
    nights.hands = {"web1": Contacts("two@example.com\n")}
    nights.night(*expired(), endings=[blocked(nights)])
    nights.night(*expired(), endings=[blocked(nights)])
    assert [str(one["To"]) for one in nights.box.letters] == ["one@example.com", "two@example.com"]
    nights.night(*renewed())
    assert sorted(str(one["To"]) for one in nights.box.letters[2:]) == ["one@example.com", "two@example.com"]
    assert nights.box.subjects[2:] == ["web1: all is well again"] * 2
