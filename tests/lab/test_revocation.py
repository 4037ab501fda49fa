"""Revocation by the lab's CA over HTTP, in every form: the verdict of an audit on each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.checks.test_revocation import test_not_revoked as check
from audit.probe.http.fetch import Fetcher, FetchPolicy
from audit.probe.revocation import RevocationContext, RevocationFetcher
from audit.verdict import Finding, Inconclusive, Judgement
from audit.x509.path.served_chain import read_chain
from audit.x509.path.trust_store import TrustAnchors
from tests.lab.authorities import Authorities, found_authorities
from tests.lab.certificates import RECIPES
from tests.lab.leaves import Served
from tests.lab.revocable import answered, listed, revoked
from tests.lab.revocation import Responder
from tests.lab.website import website
from tests.support.endpoint_facts import WEBPKI, observed, served
from tests.support.verdicts import judged

NAME = "asked.lab.test"


@dataclass(frozen=True, slots=True)
class Ca:
    """A CA with its website, below a folder."""

    authorities: Authorities
    docroot: Path

    def judge(self, given: Served) -> Judgement | None:
        """Publish what the CA says now, ask, and judge."""
        for url, content in self.authorities.published().items():
            (self.docroot / url.rpartition("/")[2]).write_bytes(content)
        anchors = TrustAnchors({"lab.pem": [der(self.authorities.root.certificate)]})
        chain_der = tuple(map(der, given.chain))
        seen = replace(
            observed(replace(served(), chain_der=chain_der, ocsp_der=given.staple)), observed_at=self.authorities.now
        )
        context = RevocationContext(anchors, lambda _: WEBPKI, lambda: datetime.now(UTC))
        revocation = RevocationFetcher(Fetcher(FetchPolicy(allow_private=True, deadline_s=5.0)), context)
        reported = revocation.fetch(seen) if revocation.place(seen) else seen
        chain = read_chain(chain_der, anchors, datetime.now(UTC))
        return judged(check, chain=chain, observation=reported, policy=WEBPKI, now=self.authorities.now)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ca]:
    responders: dict[str, Responder] = {}
    docroot = tmp_path_factory.mktemp("ca") / "www"
    with website(docroot, responders) as port:
        authorities = found_authorities(datetime.now(UTC).replace(microsecond=0), f"http://127.0.0.1:{port}")
        responders |= {f"/ocsp/{name}": one for name, one in authorities.registry.responders().items()}
        yield Ca(authorities, docroot)


@pytest.mark.parametrize("recipe", ["good", "stapled", "ocsp", "ocsp-alone", "good-rsa"])
def test_certificate_that_is_not_revoked_passes(ca: Ca, recipe: str) -> None:
    assert ca.judge(RECIPES[recipe](ca.authorities, NAME)) is None


@pytest.mark.parametrize("way", ["good", "delegated"])
def test_response_of_an_authorized_responder_is_used(ca: Ca, way: str) -> None:
    assert ca.judge(answered(way)(ca.authorities, NAME)) is None
    found = ca.judge(answered(way, x509.ReasonFlags.key_compromise)(ca.authorities, NAME))
    assert isinstance(found, Finding)
    assert found.remedy == "rekey"


@pytest.mark.parametrize("reason", [one for one in x509.ReasonFlags if one is not x509.ReasonFlags.remove_from_crl])
def test_revocation_is_found_with_its_reason(ca: Ca, reason: x509.ReasonFlags) -> None:
    for recipe in (revoked(reason), answered("good", reason)):
        found = ca.judge(recipe(ca.authorities, NAME))
        assert isinstance(found, Finding)
        assert (f"({reason.value})" in found.reason) is (reason is not x509.ReasonFlags.unspecified)


@pytest.mark.parametrize(
    ("way", "why"),
    [
        ("wrong-signer", "it has no OCSPSigning"),
        ("expired", "the next response was due"),
        ("of-tomorrow", "in the future"),
        ("unknown", "does not know the certificate"),
        ("of-another", "not about this certificate"),
        ("try-later", "tryLater"),
        ("unauthorized", "unauthorized"),
        ("garbage", "OCSPResponse"),
        ("nothing", "OCSPResponse"),
        ("missing", "returns 404"),
    ],
)
def test_invalid_ocsp_response_is_inconclusive(ca: Ca, way: str, why: str) -> None:
    for reason in (None, x509.ReasonFlags.superseded):
        if way == "expired" and reason:
            continue  # an old answer that says revoked is still one
        result = ca.judge(answered(way, reason)(ca.authorities, NAME))
        assert isinstance(result, Inconclusive), result
        assert (why in result.reason, f"/ocsp/{way}" in result.reason, result.because) == (True, True, None), result


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("expired", "the next CRL was due"),
        ("of-tomorrow", "in the future"),
        ("wrong-signer", "not signed by a key that may sign it"),
        ("delta", "delta CRL"),
        ("garbage", "cannot be read"),
        ("nothing", "cannot be read"),
        ("missing", "returns 404"),
    ],
)
def test_invalid_crl_is_inconclusive(ca: Ca, name: str, why: str) -> None:
    result = ca.judge(listed(name)(ca.authorities, NAME))
    assert isinstance(result, Inconclusive), result
    assert (why in result.reason, f"-{name}.crl" in result.reason) == (True, True), result


def test_ocsp_response_replaces_an_invalid_crl(ca: Ca) -> None:
    for name in ("expired", "wrong-signer", "garbage", "missing"):
        assert ca.judge(listed(name, "good")(ca.authorities, NAME)) is None
