"""The command of a cPanel server on a whole host: each test has one run of the command, or two.

Every chapter begins anew, so that none depends on another. Real servers, real name servers, a real firewall and atd;
the CA looks from the addresses that the seed lists, which lead to a host of the test.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest
from cryptography import x509

from tests.support.checkout import CHECKOUT
from tests.support.cpanel import daemons, firewall, layout, names, provider, vendor_command
from tests.support.cpanel.command import ETC, KEPT, REPORTS, Said
from tests.support.cpanel.environment import CONTACT, ELSEWHERE, FOLDER, MAILBOX, SECTIGO
from tests.support.cpanel.layout import SERVICES, SSL
from tests.support.cpanel.story import CMDLINES, EARLIER, TOUCH, Chapter, Story, running_story
from tests.support.hosts import audit_run as auditing
from tests.support.hosts import secret_search as traces
from tests.support.hosts import ssh_login as login
from tests.support.hosts.pki import Credential

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

SENTENCES: Final = [
    f"The system will attempt to replace the self-signed certificate for the {service} service with a signed "
    "certificate from the cPanel Store."
    for service in ("cpanel", "dovecot", "exim", "ftp")
]
TIMER: Final = ("env", "-C", str(CHECKOUT), sys.executable, "-m", "pytest_sslaudit.cli.timer")
FILE: Final = r"/\.well-known/pki-validation/(?P<file>[0-9A-F]{32}\.txt)"
KEPT_WELL: Final = (
    *("dcv.http-unreachable", "dcv.redirect-illegal", "dcv.stale-token", "dcv.firewall", "dcv.firewall-narrow"),
    *("ops.renewal-unscheduled", "ops.contact-missing", "ops.clock-skew", "ops.management-disabled"),
)
HOMES: Final = rf"{SSL}/|{KEPT}/|{EARLIER}/[0-9]+/{KEPT.replace('/', '_')}/"
"""Where keys are kept, and may be: the panel's files, and the versions that a repair keeps."""


@dataclass(frozen=True, slots=True)
class Nights:
    """A fresh host's first night and the one after it, and what was seen of them."""

    first: Chapter
    served: dict[str, int]
    tokens: str
    report: str
    before: str
    second: Chapter
    after: str


@pytest.fixture(scope="module")
def story(overlays: None) -> Iterator[Story]:  # noqa: ARG001 - asked for to skip or fail before anything starts
    with running_story() as running:
        yield running


@pytest.fixture(scope="module")
def nights(story: Story) -> Nights:
    """Let the command run on a host where every service signs its certificate itself, and once more."""
    story.begin(**{service: story.credentials.self_signed() for service in SERVICES})
    host = story.environment.panel.host
    with story.watching():
        first = story.run("--verbose")
    served, tokens = story.serials(), host.shell(f"find {daemons.DOCROOT} -name '*.txt'")
    report, before = host.read(f"{REPORTS}/report.html"), story.listing()
    return Nights(first, served, tokens, report, before, story.run(), story.listing())


def where(said: Said, check: str) -> set[str]:
    """Return the endpoints at which a check failed before the repair."""
    return {endpoint for endpoint, verdict in said.verdicts(check).items() if verdict == "fail"}


def serial(credential: Credential) -> int:
    """Return the serial number of a certificate."""
    return x509.load_pem_x509_certificate(credential.certificate.encode()).serial_number


def repaired(story: Story, chapter: Chapter, before: dict[str, int], *services: str) -> None:
    """Require that these services have one new certificate of one order, and the others what they had."""
    assert chapter.said.status == 0, chapter.said.explain()
    after = story.serials()
    assert {name for name in SERVICES if after[name] != before[name]} == set(services), chapter.said.explain()
    assert len({after[name] for name in services}) == 1
    assert len(chapter.orders) == 1


# The first night


def test_output_has_the_sentences_of_the_vendors_page_unchanged(nights: Nights) -> None:
    assert nights.first.said.status == 0, nights.first.said.explain()
    assert nights.first.said.output.splitlines()[:4] == SENTENCES


def test_token_is_in_the_docroot_of_easyapache_4_and_removed_afterwards(nights: Nights) -> None:
    assert re.search(f"the file is on .* as {daemons.DOCROOT}{FILE}$", nights.first.said.output, re.MULTILINE)
    assert nights.tokens == ""


def test_hostname_is_resolved_from_the_root_servers(story: Story, nights: Nights) -> None:
    asked = re.findall(r"^;; Received \d+ bytes from (\S+) ", nights.first.said.output, re.MULTILINE)
    at = story.environment.lan.address
    assert asked[:2] == [at(names.ROOT), at(names.TLD)]
    assert asked[2] in (at(names.FIRST), at(names.SECOND))


def test_token_is_fetched_from_the_hostname_before_the_order(story: Story, nights: Nights) -> None:
    address = story.environment.lan.address(names.PANEL)
    curl = rf"^curl .*--connect-to ::{address}:80 http://{names.PANEL}{FILE}$"
    output = nights.first.said.output
    fetched = re.search(curl, output, re.MULTILINE)
    assert fetched
    assert re.search(rf'^{address} .*"GET {FILE} HTTP/1.1" 200 ', nights.first.log, re.MULTILINE)
    assert fetched.start() < output.index("order intended")


def test_certificate_of_one_order_is_on_all_services_and_ports(nights: Nights) -> None:
    assert len(nights.first.orders) == 1
    assert nights.first.orders[0]["names"] == [names.PANEL]
    assert nights.served.keys() == set(SERVICES)
    assert len(set(nights.served.values())) == 1


def test_each_service_is_restarted_once_by_the_script_of_cpanel(nights: Nights) -> None:
    assert nights.first.restarts == ["cpsrvd", "cpdavd", "dovecot", "exim", "ftpserver"]


@pytest.mark.parametrize("address", SECTIGO)
def test_requests_of_the_ca_are_in_the_log_the_report_and_the_email(nights: Nights, address: str) -> None:
    lines = nights.first.log.splitlines()
    assert [line for line in lines if line.startswith(f"{address} ") and line.endswith('"SECTIGO DCV"')]
    reported = rf"{re.escape(address)} at \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC, SECTIGO DCV, 200"
    assert all(re.search(reported, text) for text in (nights.first.said.output, nights.report, nights.first.email))


@pytest.mark.parametrize("check", KEPT_WELL)
def test_maintenance_checks_of_the_host_pass(nights: Nights, check: str) -> None:
    assert nights.first.said.verdicts(check) == {"local/": "pass"}


def test_contact_of_cpanel_receives_the_notification(nights: Nights) -> None:
    (email,) = nights.first.emails
    assert email["X-Recipients"] == CONTACT
    assert str(email["Subject"]).endswith("repaired")
    assert "self-signed" in nights.first.email
    assert "verified at every address" in nights.first.email


def test_next_run_changes_nothing(nights: Nights) -> None:
    second = nights.second
    assert second.said.status == 0, second.said.explain()
    assert second.said.output == "", "cron would mail it"
    assert (second.orders, second.emails, second.restarts) == ([], [], [])
    assert nights.after == nights.before


# What is replaced, and what is not


def test_days_of_the_vendors_page_decide_which_certificate_is_replaced(story: Story) -> None:
    own, other = story.credentials.own, story.credentials.third_party
    before = story.begin(cpanel=other(4), dovecot=other(2), exim=own(26), ftp=own(24))
    chapter = story.run()
    repaired(story, chapter, before, "dovecot", "ftp")
    assert "third-party certificates 3 days before" in chapter.email
    assert "its own provider's certificates 25 days before" in chapter.email


def test_revoked_weak_and_incomplete_certificates_are_replaced_at_once(story: Story) -> None:
    some, revoked = story.credentials, story.credentials.own(80)
    story.environment.ask(f"revoke {serial(revoked)}")
    before = story.begin(
        cpanel=revoked, dovecot=some.without_names(), exim=some.weakly_signed(), ftp=some.without_usage()
    )
    chapter = story.run()
    repaired(story, chapter, before, *SERVICES)
    found = {
        check: {endpoint.rpartition(":")[2] for endpoint in where(chapter.said, check)}
        for check in ("cert.revoked", "cert.san-missing", "cert.weak-signature", "cert.eku-missing-serverauth")
    }
    assert found == {
        "cert.revoked": {"2083", "2087", "2096", "2078", "2080"},
        "cert.san-missing": {"993", "995", "143", "110"},
        "cert.weak-signature": {"465", "25", "587"},
        "cert.eku-missing-serverauth": {"21"},
    }


def test_missing_and_mismatched_certificates_of_active_services_change(
    story: Story,
) -> None:
    before = story.begin(dovecot=story.credentials.for_another_name())
    panel = story.environment.panel
    panel.lose("cpanel", "ftp")
    panel.switch_off_exim()
    try:
        chapter = story.run("--verbose")
    finally:
        panel.switch_on_exim()
    assert chapter.said.status == 0, chapter.said.explain()
    after = story.serials()
    assert after["exim"] == before["exim"]
    assert len({after[service] for service in ("cpanel", "dovecot", "ftp")} - {*before.values()}) == 1
    assert "install a signed certificate from the cPanel Store for the cpanel service" in chapter.said.output
    assert not [line for line in chapter.said.output.splitlines() if line.startswith("The system") and "exim" in line]


@pytest.mark.parametrize("file", ["auto_hostname_certificate", "service_certificate_management"])
def test_touch_file_prevents_every_change(story: Story, file: str) -> None:
    before = story.begin(**{service: story.credentials.expired() for service in SERVICES})
    story.environment.panel.host.do("touch", f"{TOUCH}{file}")
    chapter = story.run("--verbose", "--allow-retry")
    assert story.serials() == before
    assert (chapter.orders, chapter.restarts) == ([], [])
    assert where(chapter.said, "ops.management-disabled") != set()
    assert bool(chapter.emails) == (file == "auto_hostname_certificate")


# Where something is in the way


def test_closed_firewall_is_reported_with_its_rule_and_stops_the_order(story: Story) -> None:
    before = story.begin(ftp=story.credentials.self_signed())
    story.environment.panel.host.do("nft", "-f", "-", stdin=firewall.CLOSED.encode())
    story.environment.panel.host.do("rm", layout.CRONTAB)
    chapter = story.run("--verbose")
    assert chapter.said.status == 1
    assert where(chapter.said, "dcv.firewall") != set(), chapter.said.explain()
    assert where(chapter.said, "ops.renewal-unscheduled") != set()
    assert (chapter.orders, chapter.restarts, story.serials()) == ([], [], before), chapter.said.explain()
    assert firewall.REFUSING in chapter.email
    assert all(address in chapter.email for address in SECTIGO)
    assert "What to do:" in chapter.email


def test_firewall_that_allows_only_listed_addresses_is_reported(story: Story) -> None:
    before = story.begin(ftp=story.credentials.self_signed())
    story.environment.panel.host.do("nft", "-f", "-", stdin=firewall.NARROW.encode())
    story.environment.ask(f"from {','.join((*SECTIGO, ELSEWHERE))}")
    try:
        chapter = story.run("--verbose")
    finally:
        story.environment.ask(f"from {','.join(SECTIGO)}")
    assert chapter.said.status == 1
    assert where(chapter.said, "dcv.firewall-narrow") != set(), chapter.said.explain()
    assert where(chapter.said, "dcv.firewall") == set()
    assert (len(chapter.orders), story.serials()) == (1, before)
    assert f"asked from {ELSEWHERE}: timed out" in chapter.email
    assert firewall.REFUSING in chapter.email
    assert "cPanel's script: Sectigo fetches the token from four addresses" in chapter.email
    assert "current practice: a CA fetches it from several places" in chapter.email


def test_administrator_can_run_the_queued_job_of_a_pending_order(story: Story) -> None:
    before = story.begin(**{service: story.credentials.self_signed() for service in SERVICES})
    host = story.environment.panel.host
    story.environment.ask("misbehave pending")
    chapter = story.run("--verbose", "--allow-retry")
    assert (chapter.said.status, len(chapter.orders), story.serials()) == (1, 1, before), chapter.said.explain()
    (number,) = story.queue()
    assert f"at -c {number} | sh" in chapter.said.output
    assert "--no-retry" in host.do("at", "-c", number)
    story.environment.ask("behave")

    def by_hand() -> Said:
        done = host.run("sh", "-c", f"at -c {number} | sh", timeout_s=240)
        return Said(done.returncode, done.stdout + done.stderr, story.command.results())

    later = story.after(by_hand)
    assert (later.said.status, later.orders) == (0, []), later.said.explain()
    assert len(set(story.serials().values())) == 1
    assert story.serials() != before


def test_killed_run_is_continued_without_a_second_order(story: Story) -> None:
    before = story.begin(**{service: story.credentials.self_signed() for service in SERVICES})
    orders = len(story.environment.orders())
    story.killed_while_installing()
    chapter = story.run("--verbose")
    assert chapter.said.status == 0, chapter.said.explain()
    assert len(story.environment.orders()) == orders + 1
    assert len(set(story.serials().values())) == 1
    assert story.serials() != before


def test_service_without_a_valid_certificate_gets_a_self_signed_one(story: Story) -> None:
    good = story.credentials.own(80)
    before = story.begin(ftp=story.credentials.expired(), exim=story.credentials.own(20), cpanel=good)
    story.environment.ask("misbehave rejected")
    chapter = story.run("--verbose")
    after = story.serials()
    assert chapter.said.status == 1
    assert {service for service in SERVICES if after[service] != before[service]} == {"ftp"}, chapter.said.explain()
    assert "self-signed" in chapter.email


# Other ways to a certificate, and another folder


def test_checkallsslcerts_runs_without_a_store_and_is_verified(story: Story) -> None:
    before = story.begin(**{service: story.credentials.self_signed() for service in SERVICES})
    environment = story.environment
    place = f"http://{environment.lan.address(names.STORE)}{provider.LICENSED}\n"
    environment.panel.host.do("sh", "-c", f'cat >"{vendor_command.PROVIDER}"', stdin=place.encode())
    story.command.configure(environment, story.credentials.other, issuer="cpanel")
    environment.panel.host.do("touch", str(vendor_command.IDLE))
    environment.panel.host.do("sed", "-i", "/^CONTACTEMAIL/d", layout.ACCOUNTS)
    idle = story.run("--verbose")
    assert where(idle.said, "ops.contact-missing") != set()
    assert (idle.said.status, idle.orders, story.serials()) == (1, [], before), idle.said.explain()
    environment.panel.host.do("rm", str(vendor_command.IDLE))
    environment.panel.host.shell(f"rm -rf {KEPT} /root/.local/state/sslaudit")
    chapter = story.run("--verbose")
    assert (chapter.said.status, chapter.orders) == (0, []), chapter.said.explain()
    assert chapter.said.output.splitlines()[:4] == SENTENCES
    assert len(set(story.serials().values())) == 1


def test_token_is_in_the_docroot_of_easyapache_3_if_it_is_used(story: Story) -> None:
    before = story.begin(ftp=story.credentials.self_signed())
    panel = story.environment.panel
    panel.use(daemons.OLD_DOCROOT)
    try:
        chapter = story.run("--verbose")
    finally:
        panel.use(daemons.DOCROOT)
    repaired(story, chapter, before, "ftp")
    assert re.search(f"the file is on .* as {daemons.OLD_DOCROOT}{FILE}$", chapter.said.output, re.MULTILINE)


# From outside


def test_panel_and_timer_are_found_over_ssh_and_judged_by_the_same_rules(story: Story) -> None:
    story.begin(exim=story.credentials.third_party(4), ftp=story.credentials.third_party(2))
    store, panel = story.environment.store, story.environment.panel.host
    before = panel.shell("ls /etc/cron.d")
    panel.do("rm", layout.CRONTAB)
    panel.do(*TIMER, "install-timer")
    login.admit(panel, login.make_key(store))
    login.know(store, panel)
    anchors = (f"--audit-trust={FOLDER}/store-root.pem", auditing.trust(store, story.credentials.other.anchor))
    run = auditing.audit(store, *anchors, f"--hosts=ssh://root@{names.PANEL}")
    ends = {endpoint.rpartition(":")[2] for endpoint, check in run.with_verdict("fail") if check == "cert.expiring"}
    assert ends == {"21"}, run.explain()
    assert f"https://{names.PANEL}:2087" in {endpoint.partition("/")[2] for endpoint in run.endpoints}
    assert {line["verdict"] for line in run.results if line["check"] == "ops.renewal-unscheduled"} == {"pass"}
    panel.do(*TIMER, "remove-timer")
    assert panel.shell("ls /etc/cron.d") == before


# What is never written down


def test_no_written_file_has_a_key_token_or_password(story: Story, nights: Nights) -> None:
    assert nights.first.said.status == 0
    panel, store = (traces.written(host) for host in (story.environment.panel.host, story.environment.store))
    home = {path: content for path, content in panel.items() if re.match(HOMES, path)}
    keys = {
        f"key {number}": list(traces.forms_of_key(scalar, pem))
        for number, (scalar, pem) in enumerate(traces.scalars(home.values()).items())
    }
    assert {name for _, name in traces.holding(home, keys)} == keys.keys()  # so it is found where it is
    assert traces.holding({path: panel[path] for path in panel.keys() - home.keys()}, keys) == set()
    emails = {path: content for path, content in store.items() if path.startswith(f"{MAILBOX}/")}
    token = {"token": list(traces.forms_of_secret(story.environment.access["token"]))}
    assert traces.holding(emails, keys | token) == set()
    assert traces.holding(panel, token) == {(f"{ETC}/token", "token")}
    reported = "".join(panel)
    assert all(name in reported for name in ("report.html", "checkallsslcerts.log", "results.jsonl", "journal.sqlite"))
    assert b"whmapi1" in panel[CMDLINES]  # so it was seen while it ran
    assert f"{FOLDER}/orders.jsonl" in store
