"""A repair beside unknown listeners of systemd with the same certificate: stunnel, sockets, the unit of a user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.fleet import WEB1, leaf_of
from tests.support.hosts.nightly_repair import rows
from tests.support.hosts.openssl_client import served
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.pki import Authority
from tests.support.hosts.unit_site import PORTS, Site, running_site
from tests.support.hosts.unknown_listeners import COPIES, FORWARDED, listen

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]


@dataclass(frozen=True, slots=True)
class Nights:
    """A repair of the site, and the run after it."""

    site: Site
    first: AuditRun
    second: AuditRun


@pytest.fixture(scope="module", params=RELEASES)
def nights(request: pytest.FixtureRequest, overlays: None, authority: Authority) -> Iterator[Nights]:  # noqa: ARG001 - overlays skips or fails first
    with running_site(authority, f"{request.param}-services") as site:
        listen(site.host, site.fleet.planted.old)
        yield Nights(site, site.night.run("--sudo"), site.night.run("--sudo"))


def ports_of(endpoints: set[str]) -> set[int]:
    return {int(endpoint.rpartition(":")[2]) for endpoint in endpoints}


def ports_with_expired_certificates(run: AuditRun) -> set[int]:
    """Return the ports that the run failed because of them, in its last verdict."""
    last = {line["endpoint"]: line["verdict"] for line in run.results if line["check"] == "cert.expired"}
    return ports_of({endpoint for endpoint, verdict in last.items() if verdict == "fail"})


def test_known_services_and_a_proxy_to_one_serve_the_new_certificate(nights: Nights) -> None:
    old = leaf_of(nights.site.fleet.planted.old)
    leaves = {port: served(nights.site.host, port, WEB1)[0] for port in (*PORTS, FORWARDED, *COPIES)}
    assert {port for port, leaf in leaves.items() if leaf == old} == set(COPIES), nights.first.explain()
    assert len({leaves[port] for port in (*PORTS, FORWARDED)}) == 1
    assert {row["outcome"] for row in rows(nights.first, "remediation")} == {"proven"}


def test_exit_status_and_verdicts_are_those_of_the_copies(nights: Nights) -> None:
    assert (nights.first.status, nights.second.status) == (1, 1)
    assert ports_with_expired_certificates(nights.first) == set(COPIES), nights.first.explain()


def test_terminal_names_the_copies_and_calls_the_repair_one_in_part(nights: Nights) -> None:
    assert "1 repaired in part; the affected endpoints are judged again" in nights.first.output
    (line,) = [line for line in nights.first.output.splitlines() if line.startswith("repaired in part  reissue")]
    named, _, why = line.partition(" still serve the certificate of before: ")
    assert why.startswith("the service is unknown")
    assert {port for port in (*COPIES, FORWARDED) if f":{port}" in named} == set(COPIES)


def test_email_names_the_copies_and_calls_the_repair_one_in_part(nights: Nights) -> None:
    email, *_ = nights.site.night.emails()
    body = email.get_body(("plain",))
    assert body is not None
    text = " ".join(body.get_content().split())
    assert f"{WEB1}: 1 failed, 1 repaired in part" in text
    assert "REPAIRED IN PART apache, haproxy, nginx " in text
    assert "still serve the certificate of before" in text
    failed = text.partition("FAILED unknown ")[2].partition(" Reason:")[0]
    assert {port for port in (*COPIES, FORWARDED) if f":{port}" in failed} == set(COPIES)


def test_next_night_tries_no_repair_of_the_copies_and_sends_nothing(nights: Nights) -> None:
    assert rows(nights.second, "remediation") == [], nights.second.explain()
    assert "0 to repair, 0 waiting" in nights.second.output
    assert (nights.site.fleet.orders(), len(nights.site.night.emails())) == (1, 1)
