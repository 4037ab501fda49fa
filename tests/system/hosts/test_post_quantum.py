"""nginx with certificates whose keys only the OpenSSL of a newer Debian can make: ML-DSA, beside ECDSA, and SLH-DSA."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from remediate.hosts.workdir import HostWorkdir
from remediate.pki.host_key import make_csr_command, read_host_csr
from tests.support.hosts.audit_run import AuditRun, audit, trust
from tests.support.hosts.host import Host, HostFile, connect, name_hosts, running_host
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.systemd_host import running_systemd_host

pytestmark = pytest.mark.system

WEB1: Final = "web1.example.test"
ENDPOINT: Final = f"https://{WEB1}:443"
OTHER: Final = f"https://{WEB1}:8443"
SOUND: Final = ("cert.untrusted", "cert.weak-signature", "key.weak", "chain.invalid-path", "cert.malformed")
PKI: Final = f"""
cd /root
ca() {{ openssl req -x509 -newkey "$1" -nodes -keyout "$2.key" -out "$2.crt" -days 90 -subj "/CN=$2"; }}
sign() {{
  openssl req -new -newkey "$1" -nodes -keyout "$3.key" -out "$3.csr" -subj "/CN={WEB1}" ${{4-}}
  printf 'subjectAltName=DNS:{WEB1}\\nauthorityKeyIdentifier=keyid\\n' >extensions
  openssl x509 -req -in "$3.csr" -CA "$2.crt" -CAkey "$2.key" -days 30 -out "$3.crt" -extfile extensions
}}
ca ML-DSA-65 root
ca SLH-DSA-SHA2-128s slow
sign ML-DSA-44 root new
sign EC root old "-pkeyopt ec_paramgen_curve:P-256"
sign EC slow other "-pkeyopt ec_paramgen_curve:P-256"
cat root.crt slow.crt >anchors.pem
"""
SITE: Final = f"""
server {{
  listen 443 ssl; server_name {WEB1};
  ssl_certificate /root/new.crt; ssl_certificate_key /root/new.key;
  ssl_certificate /root/old.crt; ssl_certificate_key /root/old.key;
}}
server {{
  listen 8443 ssl; server_name {WEB1};
  ssl_certificate /root/other.crt; ssl_certificate_key /root/other.key;
}}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A host with nginx, the host that audits it, and the trust anchors."""

    auditor: Host
    host: Host
    trust: str

    def audit(self, *arguments: str) -> AuditRun:
        """Audit both ports from outside."""
        return audit(self.auditor, self.trust, f"--audit-endpoint={ENDPOINT}", f"--audit-endpoint={OTHER}", *arguments)


@pytest.fixture(scope="module", params=[release for release in RELEASES if release != "debian12"])
def site(request: pytest.FixtureRequest, overlays: None) -> Iterator[Site]:  # noqa: ARG001 - overlays skips or fails first
    with running_host("main", "auditor.example.test") as auditor, running_systemd_host(request.param, WEB1) as host:
        names = {WEB1: (connect(auditor, host, 1),)}
        name_hosts(auditor, {"auditor.example.test": ("127.0.1.1",), **names})
        host.shell(PKI)
        host.write(HostFile("/etc/nginx/sites-enabled/default", SITE))
        host.shell("systemctl restart nginx")
        host.wait_for(443, 8443)
        yield Site(auditor, host, trust(auditor, host.read("/root/anchors.pem")))


def test_ml_dsa_certificate_is_verified_and_not_weak(site: Site) -> None:
    seen = site.audit()
    assert {check: seen.verdict(ENDPOINT, check)[0] for check in SOUND} == dict.fromkeys(SOUND, "pass"), seen.explain()
    chains = seen.observed(ENDPOINT)["chains"]
    assert [chain["key_type"] for chain in chains] == ["ML-DSA-44", "EC"], seen.explain()
    assert {chain["certificates"][0]["signature_algorithm"] for chain in chains} == {"ML-DSA-65"}


def test_signature_that_the_library_does_not_support_is_inconclusive(site: Site) -> None:
    seen = site.audit()
    verdict, message = seen.verdict(OTHER, "cert.untrusted")
    assert verdict == "inconclusive", seen.explain()
    assert "the installed library does not support SLH-DSA-SHA2-128s" in message


def test_public_policy_names_the_post_quantum_key(site: Site) -> None:
    seen = site.audit("--audit-policy=webpki")
    verdict, message = seen.verdict(ENDPOINT, "key.weak")
    assert verdict == "fail", seen.explain()
    assert "a post-quantum key (ML-DSA-44), for which no public CA may issue a certificate" in message


def test_repair_makes_a_key_and_csr_of_ml_dsa(site: Site) -> None:
    command = make_csr_command(HostWorkdir(WEB1, "c4f3", "test"), (WEB1,), "ml-dsa-65")
    csr = read_host_csr(site.host.execute(command), (WEB1,), "ml-dsa-65")
    assert csr.names == (WEB1,)
