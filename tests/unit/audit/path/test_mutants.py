"""Tests of path validation with mutated certificates and CRLs: no exception, and no long computation."""

from __future__ import annotations

import random
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID

from audit.x509.der import elements
from audit.x509.path.validator import validate_path
from tests.support.cpu_time import at_most_cpu_s
from tests.support.x509.certificates import NOW
from tests.support.x509.crls import Entry, crl, issuing_point, pointing
from tests.support.x509.mutants import mutant
from tests.support.x509.paths import Made, constraints, directory, extension_added, new_ca, new_leaf, new_root, san, tlv

MUTANTS: Final = 1500
SLOWEST_S: Final = 1.0

POLICY = x509.PolicyInformation(
    x509.ObjectIdentifier("2.23.140.1.2.1"),
    ["http://ca.example/cps", x509.UserNotice(x509.NoticeReference("Example", [1]), "text")],
)
ACCESS = x509.AuthorityInformationAccess(
    [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://ocsp.example/"))]
)
URL = "http://crl.example/7.crl"
ROOT = new_root().having(constraints(["example.com", "192.0.2.0/24"], [directory("O=Other")]), critical=True)
MAPPING = tlv(0x30, tlv(0x30, b"\x06\x03\x2a\x03\x04", b"\x06\x03\x2a\x03\x05"))
CA = (
    new_ca(ROOT, path_length=1)
    .having(x509.CertificatePolicies([POLICY]))
    .having(x509.PolicyConstraints(0, 0), critical=True)
    .having(x509.InhibitAnyPolicy(1), critical=True)
    .having(pointing(URL))
    .having(constraints(["example.com"], [x509.RFC822Name("example.org"), x509.UniformResourceIdentifier(".x.org")]))
    .edited(extension_added("2.5.29.33", MAPPING))
)
LEAF = (
    new_leaf(CA, subject="CN=www.example.com,1.2.840.113549.1.9.1=me@example.org")
    .having(
        san(
            "www.example.com",
            "*.example.com",
            "192.0.2.7",
            x509.RFC822Name("me@example.com"),
            x509.UniformResourceIdentifier("https://example.com/"),
            x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"),
            x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        )
    )
    .having(x509.CertificatePolicies([POLICY]))
    .having(ACCESS)
    .having(pointing(URL, issuer="CN=Lists", reasons=[x509.ReasonFlags.superseded]))
)
LIST = crl(
    CA,
    Entry(1, ((x509.CRLReason(x509.ReasonFlags.superseded), False),)),
    Entry(2, ((x509.CertificateIssuer([directory("CN=Path CA")]), True),)),
    extensions=[issuing_point(URL, indirect_crl=True)],
)


def resigned(der: bytes, signer: Made, chance: random.Random) -> bytes:
    """Return a certificate or CRL with a mutated body and a valid signature, so that every rule reads it."""
    body, algorithm, _ = elements(elements(der)[0].content)
    key = signer.private_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    changed = mutant(body.encoding, chance)
    return tlv(0x30, changed, algorithm.encoding, tlv(3, b"\0", key.sign(changed, ec.ECDSA(hashes.SHA256()))))


def validate_mutants(count: int, seed: int) -> None:
    """Validate a number of mutants, each within its time limit."""
    chance = random.Random(seed)  # noqa: S311 - nothing is secret here
    sources = ((LEAF, CA), (CA, ROOT), (ROOT, ROOT), (None, CA))
    for number in range(count):
        chain = [LEAF.der, CA.der, ROOT.der, LIST]
        index = number % 4
        source, signer = sources[index]
        der = source.der if source else LIST
        chain[index] = mutant(der, chance) if number % 3 == 0 else resigned(der, signer, chance)
        with at_most_cpu_s(SLOWEST_S):
            crls = [chain[3]] if number % 2 else ()
            found = validate_path(chain[0], [chain[1]], [chain[2]], reference="www.example.com", at=NOW, crls=crls)
        assert found.ok is (not found.violations)
        assert all(str(violation) for violation in found.violations)


def test_mutated_certificates_and_crls_are_validated_in_time() -> None:
    validate_mutants(MUTANTS, seed=20261123)
