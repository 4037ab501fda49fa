"""Tests of which contacts get mail: those in the domain of the host or in an allowed domain."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from audit.config import BadConfiguration, read_configuration
from audit.host.discovery import Discovery
from audit.observation import HostView, Observation
from audit.x509.path.trust_store import TrustAnchors
from remediate.model.options import RunOptions
from remediate.notify.channels.email_body import as_remark
from remediate.notify.recipients import ContactPolicy, KnownHost, PermittedContacts
from remediate.wiring.notification import known_hosts, notification_settings
from tests.support.endpoint_facts import HOST
from tests.support.evidence import NOW
from tests.support.notify.nightly_runs import Contacts, NightlyRuns, text_of
from tests.support.notify.run_findings import expired, on_web2

FULL = KnownHost(names=("web1.example.com",))
BARE = KnownHost(names=("web1",))
HOSTED = KnownHost(names=("ec2-192-0-2-7.compute-1.amazonaws.com",))


@pytest.mark.parametrize(
    ("host", "reported", "address", "is_used"),
    [
        (FULL, "web1.example.com", "admin@example.com", True),
        (FULL, "web1.example.com", "admin@mail.example.com", True),
        (FULL, "web1.example.com", "root@web1.example.com", True),
        (FULL, "web1.example.com", "admin@EXAMPLE.com.", True),
        (FULL, "web1.example.com", "admin@evil.test", False),
        (FULL, "web1.example.com", "admin@notexample.com", False),
        (FULL, "web1.example.com", "admin@example.com.evil.test", False),
        (FULL, "mail.victim.test", "admin@victim.test", False),  # the host's word against the user's
        (FULL, None, "admin@example.com", True),
        (FULL, None, "admin@allowed.example", True),
        (FULL, None, "admin@sub.allowed.example", True),
        (FULL, None, "admin@unallowed.example", False),
        (FULL, None, "admin@recipient.example", True),
        (FULL, None, "admin@com", False),
        (BARE, "web1.example.com", "admin@example.com", True),  # the user named no domain: the host's word counts
        (BARE, "web1.example.com", "admin@evil.test", False),
        (BARE, "www.example.co.uk", "admin@another.co.uk", False),
        (BARE, None, "root@web1", True),
        (BARE, None, "admin@example.com", False),
        (HOSTED, None, "admin@amazonaws.com", False),
        (HOSTED, None, "root@ec2-198-51-100-7.compute-1.amazonaws.com", False),
        (KnownHost(names=("192.0.2.7",)), None, "root@2.7", False),
    ],
)
def test_contact_gets_mail_if_its_domain_is_the_hosts_or_allowed(
    host: KnownHost, reported: str | None, address: str, *, is_used: bool
) -> None:
    policy = ContactPolicy(("allowed.example", "recipient.example"), {"web1": host})
    permitted = policy.permit("web1", (address,), reported)
    assert permitted.used == ((address,) if is_used else ())
    if not is_used:
        (line,) = permitted.refused
        start = f"no mail to {address}, which web1 reports as contact: the domain is neither the host's own"
        assert line.startswith(start)
        assert line.endswith("allow it by [mail] allowed_domains")


def test_contacts_of_this_machine_are_used_as_they_are() -> None:
    many = tuple(f"u{number}@evil.test" for number in range(20))
    policy = ContactPolicy(hosts={"local": KnownHost(is_local=True)})
    assert policy.permit("local", many, None) == PermittedContacts(many)


def test_at_most_five_contacts_of_a_host_get_mail() -> None:
    addresses = tuple(f"u{number}@example.com" for number in range(20))
    permitted = ContactPolicy(hosts={"web1": FULL}).permit("web1", addresses, None)
    assert permitted.used == addresses[:5]
    (line,) = permitted.refused
    assert line == (
        "no mail to u5@example.com, u6@example.com, u7@example.com, u8@example.com, u9@example.com and 10 more, "
        "which web1 reports as contacts: at most 5 contacts of a host get mail"
    )


def test_refused_contact_is_reported_and_root_of_the_controller_gets_mail(runs: NightlyRuns) -> None:
    runs.change_mail(to=())
    runs.change(contacts=ContactPolicy(hosts={"web1": FULL}))
    runs.sessions = {"web1": Contacts("victim@evil.test\n", name="web1.evil.test")}
    lines = runs.notify(*expired())
    assert lines[0].startswith("no mail to victim@evil.test, which web1 reports as contact: the domain is neither")
    assert runs.refused == [lines[0]]
    assert [str(message["To"]) for message in runs.box.emails] == ["root@ctl.example.com"]
    (message,) = runs.box.emails
    html = message.get_body(("html",))
    assert html
    for body in text_of(message), " ".join(unescape(html.get_content()).split()):
        assert f"N{lines[0][1:]}." in body


def test_refused_contacts_stand_in_the_email_about_their_host_alone(runs: NightlyRuns) -> None:
    runs.change_mail(to=())
    runs.change(contacts=ContactPolicy(hosts={"web1": FULL, "web2": KnownHost(names=("web2.example.org",))}))
    contacts = {"web1": "admin@example.com\nvictim@evil.test\n", "web2": "admin@example.org\n"}
    runs.sessions = {host: Contacts(forward) for host, forward in contacts.items()}
    runs.notify(*expired(), *on_web2())
    texts = {str(message["To"]): text_of(message) for message in runs.box.emails}
    assert set(texts) == {"admin@example.com", "admin@example.org"}
    assert "No mail to victim@evil.test, which web1 reports as contact" in texts["admin@example.com"]
    assert "victim@evil.test" not in texts["admin@example.org"]


def test_reason_is_whole_even_if_the_contacts_are_long() -> None:
    local = "a" * 250
    permitted = ContactPolicy(hosts={"web1": FULL}).permit("web1", [f"{n}{local}@evil.test" for n in range(9)], None)
    (line,) = permitted.refused
    remark = as_remark(line)
    assert remark.count("…") == 5
    assert remark.endswith(" and 4 more, which web1 reports as contacts: the domain is neither the host's own "
                           "(example.com) nor that of [mail] to; allow it by [mail] allowed_domains.")  # fmt: skip


def test_contact_that_an_earlier_version_notified_gets_no_more_mail(runs: NightlyRuns) -> None:
    runs.change_mail(to=())
    runs.change(contacts=ContactPolicy(hosts={"web1": KnownHost(is_local=True)}))
    runs.sessions = {"web1": Contacts("victim@evil.test\n")}
    runs.notify(*expired())
    assert [str(message["To"]) for message in runs.box.emails] == ["victim@evil.test"]
    runs.change(contacts=ContactPolicy(hosts={"web1": FULL}))
    runs.sessions = {}
    runs.notify(*expired())
    runs.notify()
    assert [str(message["To"]) for message in runs.box.emails[1:]].count("victim@evil.test") == 0


def test_known_names_of_a_host_are_those_that_the_user_wrote(tmp_path: Path) -> None:
    (tmp_path / "sslaudit.toml").write_text(
        '[mail]\nto = ["a@recipient.example", "root"]\nallowed_domains = ["allowed.example"]\n'
        '[host."ssh://root@web2"]\nname = "web2.example.org"\n'
    )
    configuration = read_configuration(tmp_path, None)
    specs = {"local": "local://", "web1.example.com:22": "ssh://root@web1.example.com:22", "web2": "ssh://root@web2"}
    found = tuple(
        Discovery(Observation(HOST, NOW, server=HostView(label, spec, fqdn="mail.victim.test")))
        for label, spec in specs.items()
    )
    known = known_hosts(found, configuration)
    assert known["local"].is_local
    assert known["web1.example.com:22"] == KnownHost(names=("web1.example.com",))
    assert known["web2"] == KnownHost(names=("web2.example.org", "web2"))
    account = notification_settings(RunOptions(configuration, tmp_path, TrustAnchors({}), "a test"), known)
    assert account is not None
    assert account.contacts == ContactPolicy(("allowed.example", "recipient.example"), known)


def test_allowed_domain_that_is_not_a_domain_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sslaudit.toml").write_text('[mail]\nallowed_domains = ["@example.com"]\n')
    with pytest.raises(BadConfiguration, match=r"\[mail\]: allowed_domains: '@example.com' is not a domain"):
        notification_settings(RunOptions(read_configuration(tmp_path, None), tmp_path, TrustAnchors({}), "a test"))
