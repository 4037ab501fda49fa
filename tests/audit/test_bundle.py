"""What CAs publish as their certificates is read in every form, and what is none of them is nothing."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates

from audit.x509.pem import MAX_CERTIFICATES, certificates_of
from tests.lab.issuance import found_authority, to_pem
from tests.runner.places import NOW

AUTHORITY = found_authority(NOW)
TWO = [AUTHORITY.intermediate.certificate, AUTHORITY.root.certificate]
DERS = {one.public_bytes(Encoding.DER) for one in TWO}
PEM = to_pem(*TWO).encode()
SIGNED = serialize_certificates(TWO, Encoding.DER)


@pytest.mark.parametrize(
    "content",
    [PEM, SIGNED, SIGNED + b"\n", serialize_certificates(TWO, Encoding.PEM), b"# ours\n" + PEM],
    ids=["PEM", "PKCS#7", "with a line break", "PKCS#7 in PEM", "PEM with a comment"],
)
def test_all_certificates_of_a_file_are_found(content: bytes) -> None:
    assert set(certificates_of(content)) == DERS


def test_a_file_of_one_certificate_is_that() -> None:
    der = TWO[0].public_bytes(Encoding.DER)
    assert certificates_of(der) == (der,)


@pytest.mark.parametrize("last", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("line_break", [b"", b"\n", b"\r\n"])
def test_a_certificate_that_ends_as_a_line_does_is_whole(last: bytes, line_break: bytes) -> None:
    content = b"\x01" * 9 + last
    der = b"\x30" + bytes([len(content) + 2]) + b"\x04" + bytes([len(content)]) + content
    assert certificates_of(der + line_break) == (der,)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x30", b"\x30\x84\xff\xff\xff\xff", SIGNED[:-1], b"-----BEGIN"])
def test_what_is_no_certificate_is_nothing(content: bytes) -> None:
    assert certificates_of(content) == ()


def test_a_file_is_read_up_to_so_many() -> None:
    assert len(certificates_of(to_pem(*TWO * 50).encode())) == MAX_CERTIFICATES


def test_nothing_that_can_come_raises() -> None:
    chance = random.Random(1)  # noqa: S311 - the same mutants every time
    for _ in range(2000):
        mutant = bytearray(chance.choice([SIGNED, PEM]))
        for _ in range(chance.randint(1, 8)):
            mutant[chance.randrange(len(mutant))] = chance.randrange(256)
        assert len(certificates_of(bytes(mutant))) <= MAX_CERTIFICATES
