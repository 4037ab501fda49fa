"""A TLS port of no known service, on the loopback of a host that is logged into: found, and observed from the host."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.hosts.host import HostFile
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, Lab, running_lab, sound

pytestmark = pytest.mark.system

WEB1 = NAMES["main"].main
UNKNOWN = f"{WEB1}/https://{WEB1}:9443"


@pytest.fixture
def lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    with running_lab(authority, sound(authority), "main") as running:
        yield running


def test_service_on_the_loopback_of_a_host_is_observed_from_that_host(lab: Lab) -> None:
    web1, credential = lab.hosts["main"], lab.authority.issue(WEB1, begins=-90, lasts=89)
    web1.write(HostFile("/srv/chain.pem", credential.fullchain), HostFile("/srv/key.pem", credential.key, 0o600))
    web1.shell(
        "setsid openssl s_server -quiet -accept 127.0.0.1:9443 -cert /srv/chain.pem -cert_chain /srv/chain.pem "
        "-key /srv/key.pem </dev/null >/dev/null 2>&1 &"
    )
    web1.wait_for(9443)
    run = lab.audit(f"--hosts=ssh://root@{WEB1}", "--remediate-dry-run")
    seen = run.observed(UNKNOWN)
    leaf = x509.load_pem_x509_certificate(credential.fullchain.encode()).public_bytes(Encoding.DER)
    assert (seen["service"], seen["failure"]) == ("unknown", None), run.explain()
    assert seen["chain"][0]["sha256"] == hashlib.sha256(leaf).hexdigest()
    assert run.verdict(UNKNOWN, "cert.name-mismatch")[0] == "pass", run.explain()
    verdict, _ = run.verdict(UNKNOWN, "tls.old-protocol")
    assert verdict == "inconclusive", run.explain()  # the client of the host does not try old versions
    assert run.status == 1
    explained = f"not repaired: {UNKNOWN}: cert.expired: the service is unknown. What a container or a chroot serves"
    assert explained in run.output, run.output
