"""Tests of contacts: they are read from the files that name the contact of a host."""

from __future__ import annotations

import pytest

from audit.host.cpanel import is_address, read_forward, read_wwwacct
from remediate.notify.recipients import group_by_recipients
from tests.support.notify.nightly_runs import ADMIN, Contacts, NightlyRuns
from tests.support.notify.notifications import section
from tests.support.notify.run_findings import expired, on_web2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("admin@example.com\n", ("admin@example.com",)),
        ("# root's mail\nadmin@example.com, second@example.com\n", ("admin@example.com", "second@example.com")),
        ("\\root, \\admin\n", ("root@web1.example.com", "admin@web1.example.com")),
        ('"|/usr/bin/procmail -f-"\n/var/mail/archive\n:include:/etc/list\nadmin@example.com', ("admin@example.com",)),
        ('"admin@example.com"\n<second@example.com>\r\n', ("admin@example.com", "second@example.com")),
        ("admin@example.com\nadmin@example.com\n", ("admin@example.com",)),
        ("# Exim filter\nif error_message then finish endif\ndeliver a@example.com\n", ()),
        ("", ()),
        ("-oQ/tmp, a b@example.com, |sh, \x00, ä@example.com", ()),
    ],
)
def test_forward_file_gives_its_addresses(text: str, expected: tuple[str, ...]) -> None:
    assert read_forward(text, "web1.example.com") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ADDR 192.0.2.1\nCONTACTEMAIL admin@example.com\nHOST web1\n", ("admin@example.com",)),
        ("CONTACTEMAIL\tadmin@example.com,second@example.com\r\n", ("admin@example.com", "second@example.com")),
        ("CONTACTEMAIL\nCONTACTPAGER pager@example.com\n", ()),
        ("CONTACTEMAIL root\n", ("root@web1",)),
        ("#CONTACTEMAIL old@example.com\nXCONTACTEMAIL a@example.com\n", ()),
    ],
)
def test_panel_configuration_gives_its_contact(text: str, expected: tuple[str, ...]) -> None:
    assert read_wwwacct(text, "web1") == expected


def test_forward_file_gives_a_bounded_number_of_contacts() -> None:
    assert len(read_forward(",".join(f"u{number}@example.com" for number in range(10_000)), "web1")) == 20


@pytest.mark.parametrize("text", ["root", "admin@example.com", "first.last+tag@sub.example.com"])
def test_text_is_a_mail_address(text: str) -> None:
    assert is_address(text)


def test_configured_recipients_are_notified_of_every_host(runs: NightlyRuns) -> None:
    runs.sessions = {"web1": Contacts("one@example.com\n"), "web2": Contacts("two@example.com\n")}
    runs.notify(*expired(), *on_web2())
    assert [message["To"] for message in runs.box.emails] == [ADMIN]
    assert all(f"{host}: 1 waiting" in runs.box.texts[0] for host in ("web1", "web2"))


def test_hosts_are_grouped_by_their_own_recipients() -> None:
    hosts = tuple(section(host=name) for name in ("web1", "web2", "web3"))
    contacts = {"web1": ("one@example.com",), "web2": (), "web3": ("one@example.com",)}
    assert group_by_recipients(hosts, contacts, ("root",)) == {
        ("one@example.com",): (hosts[0], hosts[2]),
        ("root",): (hosts[1],),
    }
