"""Certificates are read from any bytes, valid or not."""

from __future__ import annotations

import random
import warnings
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.evaluation.outcome import outcome_of
from audit.verdict import Verdict
from audit.x509.certificate import FIELDS, Certificate, read_certificate
from audit.x509.der import elements, spki_of
from audit.x509.loading import UnreadableField
from audit.x509.path.served_chain import read_chain
from tests.integration.audit.x509.conftest import Forge
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, ROOT, certificate, public
from tests.support.x509.certificates import NOW, ca, leaf, rsa_key

MUTANTS = 500


def test_facts_are_those_of_the_draft() -> None:
    facts = certificate(GOOD.named("www.example.com", "2001:DB8::1"))
    assert (facts.subject, facts.issuer) == ("CN=www.example.com", "CN=Intermediate")
    assert facts.dns_names == ("www.example.com",)
    assert facts.ip_addresses == ("2001:db8::1",)
    assert facts.extended_key_usages == ("serverAuth",)
    assert facts.lifetime == timedelta(days=90)
    assert (facts.signature_algorithm, facts.signature_digest) == ("ecdsa-with-SHA256", "sha256")
    assert str(facts.key) == "EC P-256"
    assert not facts.is_ca
    assert not facts.faults


def test_organization_of_the_issuer_is_its_own_fact() -> None:
    assert certificate(leaf().by(GOOD.__class__("CN=CA,O=Example Corp", ()))).issuer_organization == "Example Corp"


def test_certificates_are_equal_by_their_bytes() -> None:
    assert certificate(GOOD) == read_certificate(bytes(bytearray(GOOD.der)))
    assert certificate(GOOD) != certificate(INTERMEDIATE)


def test_bytes_that_are_not_a_certificate_have_one_fault_and_no_facts() -> None:
    facts = read_certificate(b"not a certificate")
    assert [fault.place for fault in facts.faults] == ["Certificate"]
    with pytest.raises(UnreadableField) as raised:
        _ = facts.not_after
    assert raised.value.place == "Certificate"
    ended = outcome_of(raised.value)
    assert (ended.verdict, ended.because) == (Verdict.INCONCLUSIVE, "cert.malformed")
    assert ended.message == f"the certificate cannot be read: {raised.value.reason}"
    assert str(facts).startswith("certificate ")


def test_serial_number_zero_is_a_fault_without_a_warning(forge: Forge) -> None:
    broken = forge(leaf().by(ca("CN=CA").with_key(rsa_key(2048))), "sha256", serial=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        facts = read_certificate(broken)
    assert [str(fault) for fault in facts.faults] == ["serialNumber: 0 is not positive"]
    assert facts.subject == "CN=www.example.com"


def test_spki_is_kept_byte_for_byte() -> None:
    public_key = GOOD.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert spki_of(x509.load_der_x509_certificate(GOOD.der).tbs_certificate_bytes) == public_key


@pytest.mark.parametrize("contents", [b"\x30", b"\x30\x05\x00", b"\x30\x82\xff\xff\x00"])
def test_truncated_elements_are_refused(contents: bytes) -> None:
    with pytest.raises(ValueError, match="element"):
        elements(contents)


def test_mutated_certificate_raises_no_exception() -> None:
    """Every fact of every mutant is a value or inconclusive, and so is every fact of its chain."""
    chance = random.Random(20261123)  # noqa: S311 - a fixed seed, no secret
    models = [GOOD.der, INTERMEDIATE.der, leaf().with_key(rsa_key(2048)).der, leaf("192.0.2.7").der]
    readable = 0
    for _ in range(MUTANTS):
        mutant = _mutated(chance.choice(models), chance)
        readable += _ask_everything(read_certificate(mutant))
        assert read_chain((mutant, INTERMEDIATE.der), public(), NOW).certificates[0].der == mutant
    assert 0 < readable < MUTANTS * len(FIELDS)


def _ask_everything(facts: Certificate) -> int:
    values = 0
    for fact in FIELDS:
        try:
            getattr(facts, fact.name)
            values += 1
        except UnreadableField:
            assert facts.faults
    assert str(facts)
    assert repr(facts)
    return values


def _mutated(der: bytes, chance: random.Random) -> bytes:
    """Flip bits, or change a tag, a length or a value."""
    mutant = bytearray(der)
    for _ in range(chance.choice((1, 1, 2, 4))):
        place = chance.randrange(len(mutant))
        match chance.randrange(4):
            case 0:
                mutant[place] ^= 1 << chance.randrange(8)
            case 1:
                mutant[place] = chance.choice((0x00, 0x01, 0x03, 0x05, 0x0C, 0x13, 0x30, 0x31, 0x7F, 0x80, 0xFF))
            case 2:
                del mutant[place : place + chance.randrange(1, 4)]
            case _:
                mutant[place:place] = chance.randbytes(chance.randrange(1, 4))
    return bytes(mutant)


def test_self_signed_certificate_is_recognized() -> None:
    assert certificate(ROOT).is_self_signed
    assert not certificate(GOOD).is_self_signed
    assert certificate(GOOD).not_after > NOW
