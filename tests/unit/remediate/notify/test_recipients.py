"""Tests of recipients: the contacts of a host get only the results of their hosts."""

from __future__ import annotations

from remediate.model.causes import Cause
from tests.support.notify.nightly_runs import ADMIN, Contacts, NightlyRuns
from tests.support.notify.run_findings import OTHER, WEB, blocked, expired, logged_in, renewed
from tests.support.remediate.result_rows import found, seen


def test_recipients_get_only_the_results_of_their_hosts(runs: NightlyRuns) -> None:
    other = (logged_in("web2"), seen(OTHER), found(OTHER, "tls.old-protocol", message="TLS 1.0 is offered"))
    runs.change_mail(to=())
    first, second = Contacts("one@example.com\n"), Contacts("\\root\n", "CONTACTEMAIL two@example.com\n")
    third = Contacts()
    runs.sessions = {"web1": first, "web2": second, "web3": third}
    runs.results = b"".join(
        b'{"kind":"result","endpoint":"%s"}\n' % endpoint.encode()
        for endpoint in (WEB, OTHER, "https://c.example.com:443")
    )
    runs.notify(*expired(), *other, case_results=[blocked(runs)])
    by_recipient = {str(message["To"]): message for message in runs.box.emails}
    assert sorted(by_recipient) == ["one@example.com", "two@example.com"]
    assert "b.example.com" not in by_recipient["one@example.com"].as_string()
    assert "www.example.com" not in by_recipient["two@example.com"].as_string()
    attached = [part.get_content() for part in by_recipient["one@example.com"].iter_attachments()]
    assert attached == [b'{"kind":"result","endpoint":"%s"}\n' % WEB.encode()]
    assert not third.commands, "nothing is wrong there"
    assert not first.commands[0].changes
    runs.notify(*renewed(), *other)
    assert str(runs.box.emails[2]["To"]) == "one@example.com"
    assert runs.box.subjects[2:] == ["web1: all problems are solved"]


def test_unreachable_host_is_notified_to_its_earlier_recipients(runs: NightlyRuns) -> None:
    runs.change_mail(to=())
    runs.sessions = {"web1": Contacts("one@example.com\n")}
    runs.notify(*expired(), case_results=[blocked(runs)])
    runs.sessions = {}
    runs.notify(*expired(), case_results=[blocked(runs, Cause.HOST_UNREACHABLE)])
    runs.notify(logged_in("web2"), seen(OTHER), found(OTHER, "tls.old-protocol"))
    assert [str(message["To"]) for message in runs.box.emails] == [
        *("one@example.com", "one@example.com", "root@ctl.example.com")
    ]


def test_former_contact_is_notified_once_of_the_recovery(runs: NightlyRuns) -> None:
    runs.change_mail(to=())
    runs.sessions = {"web1": Contacts("one@example.com\n")}
    runs.notify(*expired(), case_results=[blocked(runs)])
    runs.sessions = {"web1": Contacts("two@example.com\n")}
    runs.notify(*expired(), case_results=[blocked(runs)])
    runs.notify(*expired(), case_results=[blocked(runs)])
    assert [str(message["To"]) for message in runs.box.emails] == ["one@example.com", "two@example.com"]
    runs.notify(*renewed())
    assert sorted(str(message["To"]) for message in runs.box.emails[2:]) == ["one@example.com", "two@example.com"]
    assert runs.box.subjects[2:] == ["web1: all problems are solved"] * 2


def test_invalid_addresses_are_reported_and_the_others_get_mail(runs: NightlyRuns) -> None:
    runs.change_mail(to=(ADMIN, "-oQ/tmp", "two@example.com"), from_="no address")
    lines = runs.notify(*expired(), case_results=[blocked(runs)])
    assert lines[:2] == ("'-oQ/tmp' in [mail] is not a mail address", "'no address' in [mail] is not a mail address")
    [message] = runs.box.emails
    assert (message["To"], message["From"]) == (f"{ADMIN}, two@example.com", "sslaudit@ctl.example.com")


def test_nothing_is_sent_or_queued_without_a_channel(runs: NightlyRuns) -> None:
    runs.settings = None
    assert runs.notify(*expired()) == ("no notification sent: neither [mail] nor [notify.NAME] is configured",)
    assert runs.notify(*renewed()) == ()
    assert runs.journal.outbox.queued() == ()


def test_long_results_of_a_run_are_compressed(runs: NightlyRuns) -> None:
    runs.results = b'{"kind":"run"}\n'
    runs.notify(*expired(), case_results=[blocked(runs)])
    runs.results = b'{"kind":"result","endpoint":"x"}\n' * 20_000
    runs.notify(*expired(), case_results=[blocked(runs, Cause.DCV_MISSING)])
    names = [[part.get_filename() for part in message.iter_attachments()] for message in runs.box.emails]
    assert names == [["results.jsonl"], ["results.jsonl.gz"]]
