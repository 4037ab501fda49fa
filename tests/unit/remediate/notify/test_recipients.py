"""Each notification goes to the contacts of its hosts, with the results of these hosts alone."""

from __future__ import annotations

from remediate.model.causes import Cause
from tests.support.notify.nights import ADMIN, Contacts, Nights
from tests.support.notify.results import OTHER, WEB, blocked, expired, here, renewed
from tests.support.remediate.result_rows import found, seen


def test_each_reader_gets_only_what_is_theirs(nights: Nights) -> None:
    other = (here("web2"), seen(OTHER), found(OTHER, "tls.old-protocol", message="TLS 1.0 is offered"))
    nights.change_mail(to=())
    first, second = Contacts("one@example.com\n"), Contacts("\\root\n", "CONTACTEMAIL two@example.com\n")
    third = Contacts()
    nights.sessions = {"web1": first, "web2": second, "web3": third}
    nights.results = b"".join(
        b'{"kind":"result","endpoint":"%s"}\n' % one.encode() for one in (WEB, OTHER, "https://c.example.com:443")
    )
    nights.night(*expired(), *other, endings=[blocked(nights)])
    by_reader = {str(message["To"]): message for message in nights.box.emails}
    assert sorted(by_reader) == ["one@example.com", "two@example.com"]
    assert "b.example.com" not in by_reader["one@example.com"].as_string()
    assert "www.example.com" not in by_reader["two@example.com"].as_string()
    attached = [part.get_content() for part in by_reader["one@example.com"].iter_attachments()]
    assert attached == [b'{"kind":"result","endpoint":"%s"}\n' % WEB.encode()]
    assert not third.asked, "nothing is wrong there"
    assert not first.asked[0].changes
    nights.night(*renewed(), *other)
    assert str(nights.box.emails[2]["To"]) == "one@example.com"
    assert nights.box.subjects[2:] == ["web1: all problems are solved"]


def test_a_host_that_cannot_be_asked_is_told_of_to_who_was_told_before_and_else_to_root_here(nights: Nights) -> None:
    nights.change_mail(to=())
    nights.sessions = {"web1": Contacts("one@example.com\n")}
    nights.night(*expired(), endings=[blocked(nights)])
    nights.sessions = {}
    nights.night(*expired(), endings=[blocked(nights, Cause.HOST_UNREACHABLE)])
    nights.night(here("web2"), seen(OTHER), found(OTHER, "tls.old-protocol"))
    assert [str(one["To"]) for one in nights.box.emails] == [
        *("one@example.com", "one@example.com", "root@ctl.example.com")
    ]


def test_who_is_no_longer_the_reader_of_a_host_hears_of_it_once_more_when_it_is_well(nights: Nights) -> None:
    nights.change_mail(to=())
    nights.sessions = {"web1": Contacts("one@example.com\n")}
    nights.night(*expired(), endings=[blocked(nights)])
    nights.sessions = {"web1": Contacts("two@example.com\n")}
    nights.night(*expired(), endings=[blocked(nights)])
    nights.night(*expired(), endings=[blocked(nights)])
    assert [str(one["To"]) for one in nights.box.emails] == ["one@example.com", "two@example.com"]
    nights.night(*renewed())
    assert sorted(str(one["To"]) for one in nights.box.emails[2:]) == ["one@example.com", "two@example.com"]
    assert nights.box.subjects[2:] == ["web1: all problems are solved"] * 2


def test_addresses_that_are_none_are_said_and_the_others_are_told(nights: Nights) -> None:
    nights.change_mail(to=(ADMIN, "-oQ/tmp", "two@example.com"), from_="no address")
    lines = nights.night(*expired(), endings=[blocked(nights)])
    assert lines[:2] == ("'-oQ/tmp' in [mail] is not a mail address", "'no address' in [mail] is not a mail address")
    [message] = nights.box.emails
    assert (message["To"], message["From"]) == (f"{ADMIN}, two@example.com", "sslaudit@ctl.example.com")


def test_without_mail_in_the_configuration_nothing_is_sent_and_nothing_kept(nights: Nights) -> None:
    nights.settings = None
    assert nights.night(*expired()) == ("no notification sent: neither [mail] nor [notify.NAME] is configured",)
    assert nights.night(*renewed()) == ()
    assert nights.journal.outbox.queued() == ()


def test_the_results_are_attached_and_compressed_when_they_are_long(nights: Nights) -> None:
    nights.results = b'{"kind":"run"}\n'
    nights.night(*expired(), endings=[blocked(nights)])
    nights.results = b'{"kind":"result","endpoint":"x"}\n' * 20_000
    nights.night(*expired(), endings=[blocked(nights, Cause.DCV_MISSING)])
    names = [[one.get_filename() for one in message.iter_attachments()] for message in nights.box.emails]
    assert names == [["results.jsonl"], ["results.jsonl.gz"]]
