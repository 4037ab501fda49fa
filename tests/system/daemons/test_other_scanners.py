"""What sslscan and testssl.sh say of the embedded lab: where they look at the same thing they see the planted faults.

They judge the lab's plan, which the audit of the lab has to match exactly elsewhere. Where they differ, and why, is in
`docs/comparison.md`.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import pytest

from audit.endpoint import Endpoint, parse_endpoint
from tests.lab.reading import host_endpoints
from tests.support.checkout import CHECKOUT
from tests.support.hosts.host import Host, HostFile, name_hosts, running_host
from tests.support.hosts.openssl_client import wait_until

pytestmark = pytest.mark.system

_ANCHOR: Final = "/root/anchor.pem"
_STARTTLS: Final = ("ftp", "imap", "pop3", "smtp")
_SSLSCAN: Final = (
    *("timeout", "20", "sslscan", "--xml=-", "--show-certificate"),
    *("--no-ciphersuites", "--no-groups", "--no-heartbleed"),
)
_TESTSSL: Final = (
    *("testssl", "--quiet", "--color", "0", "--warnings", "batch", "--add-ca", _ANCHOR, "-S"),
    "--ssl-native",  # quicker: TLS by OpenSSL, as nothing is asked here that it cannot speak
)

SEEN_BY_SSLSCAN: Final = {
    "cert.expired",
    "cert.self-signed",
    "cert.weak-signature",
    "cert.san-missing",
    "key.weak",
    "tls.old-protocol",
}
SEEN_BY_TESTSSL: Final = {
    "www": set[str](),
    "expired": {"cert_expirationStatus", "cert_chain_of_trust"},  # to OpenSSL's verifier one thing
    "leaf-only": {"cert_chain_of_trust"},
    "foreign": {"cert_chain_of_trust"},
    "wrong-name": {"cert_trust"},
}
"""Of testssl.sh's findings those about what the audit checks too, by the first label of the endpoint's name."""
_SOUND: Final = ("OK", "INFO")


@dataclass(frozen=True, slots=True)
class Plan:
    """The embedded lab as it runs: its endpoints that have an address of their own, and what is wrong with each."""

    host: Host
    faults: dict[Endpoint, set[str]]

    def called(self, label: str) -> Endpoint:
        """Return the endpoint whose name starts with a label."""
        return next(endpoint for endpoint in self.faults if endpoint.name == f"{label}.lab.test")


@pytest.fixture(scope="module")
def plan(overlays: None) -> Iterator[Plan]:  # noqa: ARG001 - overlays skips or fails first
    with running_host("main", "peers.example.test") as host:
        host.shell("mkdir /run/lab")
        lab = host.start("sh", "-euc", f"cd {CHECKOUT}; exec {sys.executable} -m tests.lab /run/lab")
        try:
            assert wait_until(lambda: host.run("test", "-e", "/run/lab/lab.json").returncode == 0)
            yield _read_plan(host)
        finally:
            lab.kill()
            lab.communicate()


def _read_plan(host: Host) -> Plan:
    lab = json.loads(host.read("/run/lab/lab.json"))
    host.write(HostFile(_ANCHOR, host.read(lab["trust"])))
    outside = {str(endpoint): endpoint for endpoint in map(parse_endpoint, lab["endpoints"])}
    named = {**outside, **host_endpoints(host.read("/run/lab/sslaudit.toml"))}
    faults = {one: set(lab["faults"].get(known, [])) for known, one in named.items() if one.address}
    name_hosts(host, {one.name: (one.address,) for one in faults if one.address and one.name != one.address})
    return Plan(host, faults)


def sslscan(host: Host, endpoint: Endpoint) -> set[str] | None:
    """Return what sslscan sees of a certificate, in the words of our catalogue; None where it sees no certificate."""
    starttls = [f"--starttls-{endpoint.scheme}"] if endpoint.scheme in _STARTTLS else []
    document = ET.fromstring(  # noqa: S314 - the output of a program that we ran
        host.run(*_SSLSCAN, *starttls, f"--sni-name={endpoint.name}", f"{endpoint.address}:{endpoint.port}").stdout
    )
    certificate = document.find(".//certificate[@type='short']")
    if certificate is None:
        return None
    key = certificate.find("pk")
    assert key is not None
    offered = {one.get("version") for one in document.iterfind(".//protocol[@type='tls']") if one.get("enabled") == "1"}
    seen = {
        "cert.expired": certificate.findtext("expired") == "true",
        "cert.self-signed": certificate.findtext("self-signed") == "true",
        "cert.weak-signature": (certificate.findtext("signature-algorithm") or "").startswith(("md5", "sha1")),
        "cert.san-missing": certificate.findtext("altnames") is None,
        "key.weak": key.get("type") == "RSA" and int(key.get("bits", "0")) < 2048,
        "tls.old-protocol": bool(offered & {"1.0", "1.1"}),
    }
    return {check for check, is_seen in seen.items() if is_seen}


def test_sslscan_finds_the_same_planted_faults(plan: Plan) -> None:
    compared = 0
    for endpoint, faults in plan.faults.items():
        if any(fault.startswith("svc.") for fault in faults) or ":" in endpoint.name:
            continue  # nothing to compare where no handshake can be had
        if endpoint.name.startswith("rsa-expired."):
            continue  # sslscan looks at one certificate, and this server has a second one for RSA
        seen = sslscan(plan.host, endpoint)
        if seen is not None:
            compared += 1
            assert seen == faults & SEEN_BY_SSLSCAN, endpoint
    assert compared > 40


def find_by_testssl(host: Host, endpoint: Endpoint) -> set[str]:
    """Return the ids of what testssl.sh finds wrong among the things the audit checks too."""
    file = f"/run/{endpoint.name}.json"
    address = ("--ip", endpoint.address or "")
    done = host.run(*_TESTSSL, *address, "--jsonfile", file, f"{endpoint.name}:{endpoint.port}", timeout_s=300)
    findings = json.loads(host.read(file))
    common = set().union(*SEEN_BY_TESTSSL.values())
    assert common <= {finding["id"] for finding in findings}, done.stdout
    return {finding["id"] for finding in findings if finding["severity"] not in _SOUND} & common


def test_testssl_finds_the_same_planted_faults(plan: Plan) -> None:
    labels = list(SEEN_BY_TESTSSL)
    with ThreadPoolExecutor(2) as pool:  # each takes some 10 s, most of it in its own shell
        seen = pool.map(lambda label: find_by_testssl(plan.host, plan.called(label)), labels)
        assert dict(zip(labels, seen, strict=True)) == SEEN_BY_TESTSSL
