"""The nightly repair as a user starts it: six services of one host, mail by a real exim, and nothing left to find."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.support.hosts import secret_search as traces
from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.fleet import WEB1, Fleet, leaf_of, running_fleet
from tests.support.hosts.host import Host
from tests.support.hosts.nightly_repair import FOLDER, PASSWORD, READER, Night, prepare, rows
from tests.support.hosts.openssl_client import served
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

SIX: Final = ("nginx", "apache", "haproxy", "dovecot", "exim", "pure-ftpd")
PLACES: Final = (
    (443, None), (8443, None), (6443, None), (993, None), (995, None), (465, None),
    (25, "smtp"), (143, "imap"), (110, "pop3"), (21, "ftp"),
)  # fmt: skip
_LISTING: Final = r"find /etc/ssl /etc/nginx /var/lib/sslaudit /var/www -printf '%p %l %s %T@ %C@ %m %u %g\n' | sort"


@dataclass(slots=True)
class Nights:
    """Two nights, and what was seen of them from outside."""

    fleet: Fleet
    night: Night
    first: AuditRun
    seen: dict[str, list[str]]
    restarted: dict[str, list[str]]
    before: str
    report: str  # of the first
    second: AuditRun | None = field(default=None)


@pytest.fixture(scope="module")
def nights(overlays: None, authority: Authority) -> Iterator[Nights]:  # noqa: ARG001 - overlays skips or fails first
    with running_fleet(authority, *SIX, over_ssh=True) as fleet:
        night = prepare(fleet, authority, by_relay=True)
        fleet.store.ask("shorter")
        with fleet.watching(443, 8443, 6443, 993, 995, 465, 25) as watch, fleet.watching(21) as ftp:
            first = night.run()
            seen = watch.saw_no_failure()
            restarted = json.loads(ftp.end())
        report = night.near.read(f"{FOLDER}/report.html")
        yield Nights(fleet, night, first, seen, restarted, fleet.web1.shell(_LISTING), report, night.run())


def leaves(host: Host) -> set[bytes]:
    """Return what is served on every port, whatever is spoken before TLS."""
    return {served(host, port, WEB1, word)[0].signature for port, word in PLACES}


def test_all_six_services_serve_one_ordered_certificate_on_every_port(nights: Nights) -> None:
    assert nights.first.status == 0, nights.first.explain()
    assert (nights.fleet.orders(), len(leaves(nights.fleet.web1))) == (1, 1)
    assert leaf_of(nights.fleet.planted.old).signature not in leaves(nights.fleet.web1)
    (row,) = rows(nights.first, "remediation")[:1]
    assert {one["outcome"] for one in rows(nights.first, "remediation")} == {"proven"}
    assert row["before"] != row["after"]


def test_reloads_fail_no_handshake_and_the_gap_of_a_restart_is_reported(nights: Nights) -> None:
    assert {len(set(answers)) for answers in nights.seen.values()} == {2}
    ((*_, last),) = nights.restarted.values()
    assert {answers[-1] for answers in nights.seen.values()} == {last}
    steps = [step for row in rows(nights.first, "remediation") for step in row["steps"]]
    (note,) = {step["note"] for step in steps if step["step"] == "reload pure-ftpd" and step["state"] == "done"}
    assert "pure-ftpd did not respond for " in note


def test_each_finding_is_recorded_before_and_after_the_repair(nights: Nights) -> None:
    expired = [line for line in nights.first.results if line["check"] == "cert.expired"]
    before = {line["endpoint"]: line["verdict"] for line in expired if line["phase"] == "before"}
    after = {line["endpoint"]: line["verdict"] for line in expired if line["phase"] == "after"}
    failed = {endpoint for endpoint, verdict in before.items() if verdict == "fail"}
    assert len(failed) == len(PLACES)
    assert {after[endpoint] for endpoint in failed} == {"pass"}


def test_one_notification_is_delivered_by_exim(nights: Nights) -> None:
    (email,) = nights.night.emails()
    assert email["X-Recipients"] == READER
    assert "with esmtpsa" in str(email["Received"])
    assert str(email["Subject"]).endswith("repaired")
    body = email.get_body(("plain",))
    assert body is not None
    assert "verified at every address" in body.get_content()


def test_requests_for_the_token_are_in_the_report_and_the_notification(nights: Nights) -> None:
    steps = [step for row in rows(nights.first, "remediation")[:1] for step in row["steps"]]
    (note,) = {step["note"] for step in steps if (step["step"], step["state"]) == ("collect", "done")}
    _, by_ca, by_us, *_ = note.splitlines()
    assert by_ca.startswith("fetched by the CA: ")
    assert "SECTIGO DCV, 200" in by_ca
    assert by_us.startswith("fetched by this audit: ")
    (email,) = nights.night.emails()
    body = email.get_body(("html",))
    assert body is not None
    for reported in (nights.report, body.get_content()):
        assert by_ca in reported
        assert by_us in reported


def test_certificate_shorter_than_ordered_is_reported_everywhere(nights: Nights) -> None:
    remark = "the new certificate is valid for 169 days, but 199 days were ordered: it is installed"
    (email,) = nights.night.emails()
    bodies = [part.get_content() for kind in ("plain", "html") if (part := email.get_body((kind,))) is not None]
    for text in (nights.first.output, nights.report, *bodies):
        assert remark in " ".join(text.split())
    assert len(bodies) == 2


def test_second_run_orders_nothing_and_changes_no_file(nights: Nights) -> None:
    assert nights.second is not None
    assert nights.second.status == 0, nights.second.explain()
    assert rows(nights.second, "remediation") == []
    assert nights.fleet.web1.shell(_LISTING) == nights.before
    assert (nights.fleet.orders(), len(nights.night.emails())) == (1, 1)


def test_no_written_file_has_a_private_key_or_a_secret(nights: Nights) -> None:
    near, web1 = traces.written(nights.fleet.near), traces.written(nights.fleet.web1)
    homes = ("/etc/ssl/", "/var/lib/sslaudit/")
    home = {path: content for path, content in web1.items() if path.startswith(homes)}
    keys = {
        f"key {number}": list(traces.forms_of_key(scalar, pem))
        for number, (scalar, pem) in enumerate(traces.scalars(home.values()).items())
    }
    assert {name for _, name in traces.holding(home, keys)} == keys.keys()  # so it is found where it is
    assert len(keys) == 3  # of the old certificate, of the second name's, and the new one
    assert traces.holding({path: near[path] for path in near}, keys) == set()
    assert traces.holding({path: web1[path] for path in web1.keys() - home.keys()}, keys) == set()
    secrets = {
        "token": list(traces.forms_of_secret(nights.fleet.access["token"])),
        "password": list(traces.forms_of_secret(PASSWORD, "sslaudit")),
    }
    known = {(f"{FOLDER}/token", "token"), (f"{FOLDER}/password", "password"), ("/etc/exim4/exim4.conf", "password")}
    assert traces.holding(near, secrets) == known
    assert traces.holding(web1, secrets) == set()
    artefacts = ("results.jsonl", "junit.xml", "report.html", "stdout", "stderr", "state/journal.sqlite")
    assert {f"{FOLDER}/{name}" for name in artefacts} <= near.keys()
    assert [path for path in near if path.endswith(".eml: results.jsonl.gz")]
