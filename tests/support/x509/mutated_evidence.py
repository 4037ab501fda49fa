"""Evidence with one mutated part: a leaf, a CA, a root, an OCSP response or a CRL.

Two thirds of the mutants are signed again, so that their signature is valid.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from audit.x509.der import elements
from audit.x509.raw import SCTS
from tests.support.x509.certificates import rsa_key
from tests.support.x509.crls import Entry, crl, pointing
from tests.support.x509.evidence_fuzzing import KINDS, Evidence
from tests.support.x509.mutants import mutant, rebuilt
from tests.support.x509.ocsp_responses import CRL_URL, OCSP_URL, REVOKED, Answer, delegate, responders
from tests.support.x509.paths import Key, Made, tlv
from tests.unit.audit.path.test_mutants import CA, LEAF, ROOT

OF_LEAF: Final = 0.5  # of all mutants, because most fields are read from it
SIGNED_AGAIN: Final = 2 / 3
RESPONDER: Final = delegate(CA)
_SIGNERS: Final = {"leaf": CA, "intermediate": ROOT, "root": ROOT, "staple": CA, "answer": RESPONDER, "crl": CA}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A mutant, its kind, and the evidence that contains it."""

    kind: str
    der: bytes
    evidence: Evidence


def attempt(chance: random.Random) -> Attempt:
    """Return the next mutant."""
    evidence = chance.choice(good_evidence())
    kind = "leaf" if chance.random() < OF_LEAF else chance.choice(KINDS)
    edit = chance.choice((mutant, rebuilt))
    original: bytes = getattr(evidence, kind)
    sign_again = signed_again if kind not in ("staple", "answer") else _response_signed_again
    is_signed = chance.random() < SIGNED_AGAIN
    der = sign_again(original, lambda body: edit(body, chance), _SIGNERS[kind]) if is_signed else edit(original, chance)
    return Attempt(kind, der, evidence.but(kind, der))


def signed_again(der: bytes, edit: Callable[[bytes], bytes], signer: Made) -> bytes:
    """Return a certificate, CRL or BasicOCSPResponse with an edited body and a new signature."""
    body, algorithm, _, *rest = elements(elements(der)[0].content)
    changed, key = edit(body.encoding), signer.private_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = tlv(3, b"\0", key.sign(changed, ec.ECDSA(hashes.SHA256())))
    return tlv(0x30, changed, algorithm.encoding, signature, *(element.encoding for element in rest))


def _response_signed_again(der: bytes, edit: Callable[[bytes], bytes], signer: Made) -> bytes:
    """Return an OCSPResponse with an edited ResponseData."""
    status, wrapped = elements(elements(der)[0].content)
    kind, octets = elements(elements(wrapped.content)[0].content)
    basic = signed_again(octets.content, edit, signer)
    return tlv(0x30, status.encoding, tlv(0xA0, tlv(0x30, kind.encoding, tlv(4, basic))))


@cache
def good_evidence() -> tuple[Evidence, ...]:
    """Return good evidence of leaves with keys of each kind."""
    keys: tuple[Key | None, ...] = (None, rsa_key(2048), ed25519.Ed25519PrivateKey.generate())
    return tuple(_evidence(replace(_rich(), key=key)) for key in keys)


def _rich() -> Made:
    """Return a leaf with every extension that the code reads."""
    scts = b"".join(_prefixed(b"\0" + bytes((log,)) * 32 + bytes(8) + b"\0\0\4\3\0\2\x30\0") for log in range(3))
    return (
        LEAF.having(x509.TLSFeature([x509.TLSFeatureType.status_request]))
        .having(responders(OCSP_URL))
        .having(pointing(CRL_URL))
        .having(x509.UnrecognizedExtension(x509.ObjectIdentifier(SCTS), tlv(4, _prefixed(scts))))
    )


def _evidence(leaf: Made) -> Evidence:
    answer = Answer(leaf, CA)
    revoked = answer.but(status=REVOKED).by(RESPONDER)
    superseded = Entry(leaf.number, ((x509.CRLReason(x509.ReasonFlags.superseded), False),))
    other = Entry(2, ((x509.CertificateIssuer([x509.DNSName("ca.example")]), True),))
    return Evidence(leaf.der, CA.der, ROOT.der, answer.der, revoked.der, crl(CA, superseded, other))


def _prefixed(octets: bytes) -> bytes:
    return len(octets).to_bytes(2) + octets
