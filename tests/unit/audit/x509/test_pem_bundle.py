"""Tests of reading certificates from PEM, DER and PKCS#7 files, as CAs publish them."""

from __future__ import annotations

import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates, serialize_certificates

from audit.x509.der import Element, elements, encode_oid, encoded, read_oid
from audit.x509.pem import MAX_CERTIFICATES, certificate_blocks, certificates_in, certificates_of
from tests.support.cpu_time import at_most_cpu_s
from tests.support.remediate.fake_host.ca import NOW
from tests.support.store.issuance import found_authority, to_pem

AUTHORITY = found_authority(NOW)
TWO = [AUTHORITY.intermediate.certificate, AUTHORITY.root.certificate]
DERS = {certificate.public_bytes(Encoding.DER) for certificate in TWO}
PEM = to_pem(*TWO).encode()
SIGNED = serialize_certificates(TWO, Encoding.DER)
BER = b"\x30\x80" + elements(SIGNED)[0].content + b"\0\0"  # of indefinite length
BEGIN, END = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "content",
    [PEM, SIGNED, SIGNED + b"\n", serialize_certificates(TWO, Encoding.PEM), b"# ours\n" + PEM, BER],
    ids=["PEM", "PKCS#7", "with a line break", "PKCS#7 in PEM", "PEM with a comment", "PKCS#7 in BER"],
)
def test_each_certificate_of_a_file_is_found(content: bytes) -> None:
    assert set(certificates_of(content)) == DERS


def test_der_file_is_one_certificate() -> None:
    der = TWO[0].public_bytes(Encoding.DER)
    assert certificates_of(der) == (der,)


@pytest.mark.parametrize("last", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("line_break", [b"", b"\n", b"\r\n"])
def test_certificate_that_ends_in_a_line_break_octet_is_complete(last: bytes, line_break: bytes) -> None:
    content = b"\x01" * 9 + last
    der = b"\x30" + bytes([len(content) + 2]) + b"\x04" + bytes([len(content)]) + content
    assert certificates_of(der + line_break) == (der,)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x30", b"\x30\x84\xff\xff\xff\xff", SIGNED[:-1], b"-----BEGIN"])
def test_invalid_file_has_no_certificates(content: bytes) -> None:
    assert certificates_of(content) == ()


def test_file_is_read_up_to_the_maximum_of_certificates() -> None:
    assert len(certificates_of(to_pem(*TWO * 50).encode())) == MAX_CERTIFICATES


def test_mutated_file_is_read_without_an_exception() -> None:
    chance = random.Random(1)  # noqa: S311 - the same mutants every time
    for _ in range(2000):
        mutant = bytearray(chance.choice([SIGNED, PEM]))
        for _ in range(chance.randint(1, 8)):
            mutant[chance.randrange(len(mutant))] = chance.randrange(256)
        assert len(certificates_of(bytes(mutant))) <= MAX_CERTIFICATES


def test_malformed_certificate_in_pkcs7_hides_no_other() -> None:
    malformed = encoded(0x30, encoded(0x02, b"\1"))
    data = encoded(0x30, encode_oid("1.2.840.113549.1.7.1"))
    signed = encoded(0x30, b"\2\1\1", b"\x31\0", data, encoded(0xA0, *DERS, malformed), b"\x31\0")
    content = encoded(0x30, encode_oid("1.2.840.113549.1.7.2"), encoded(0xA0, signed))
    with pytest.raises(ValueError, match="parse"):
        load_der_pkcs7_certificates(content)
    assert certificates_of(content) == (*DERS, malformed)


def test_older_label_of_a_certificate_is_read() -> None:
    assert certificates_in(PEM.decode().replace("CERTIFICATE", "X509 CERTIFICATE")) == certificates_in(PEM.decode())


@pytest.mark.parametrize("broken", [f"{BEGIN}!!\n{END}", f"{BEGIN}AAAA\n", f"{BEGIN}AAAA\n-----END CMS-----\n"])
def test_broken_block_hides_no_other(broken: str) -> None:
    assert certificate_blocks(broken + PEM.decode()) == (None, *certificates_of(PEM))
    with pytest.raises(ValueError, match="block"):
        certificates_in(broken + PEM.decode())


def test_blocks_without_end_are_read_in_linear_time() -> None:
    with at_most_cpu_s(2):
        assert set(certificate_blocks(BEGIN * 40_000)) == {None}


@pytest.mark.parametrize("oid", ["2.5.29.15", "1.3.6.1.4.1.11129.2.4.2", "0.9.2342", "2.999.0.128", "1.0.4294967296"])
def test_object_identifier_is_read_as_it_was_encoded(oid: str) -> None:
    assert read_oid(*elements(encode_oid(oid))) == oid
    usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid)])  # the library encodes it too
    assert encoded(0x30, encode_oid(oid)) == usage.public_bytes()


@pytest.mark.parametrize(
    "element", [Element(0x05, b"", b"\5\0"), Element(0x06, b"", b"\6\0"), Element(0x06, b"\x88", b"")]
)
def test_element_that_is_not_an_object_identifier_is_refused(element: Element) -> None:
    with pytest.raises(ValueError, match=r"OBJECT IDENTIFIER|object identifier"):
        read_oid(element)
