"""Tests of certificate signing requests: what is read from them, and which texts are refused."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from remediate.issuers import OrderRequest
from remediate.pki.csr import BadCsr, read_csr
from tests.support.store.order_requests import NAME, csr, csr_pem, request


def test_csr_has_digest_and_names() -> None:
    pem = csr_pem("WWW.shop.example", "shop.example")
    made = read_csr(pem)
    der = x509.load_pem_x509_csr(pem.encode()).public_bytes(Encoding.DER)
    assert made.sha256 == hashlib.sha256(der).hexdigest()
    assert made.names == ("www.shop.example", "shop.example")
    assert str(made) == f"CSR {made.sha256[:16]}…"


def test_csr_with_the_older_label_is_read() -> None:
    assert read_csr(csr_pem(NAME).replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")).names == (NAME,)


def test_private_key_is_refused_and_not_repeated() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for text in (secret, csr_pem(NAME, key=key) + secret):
        with pytest.raises(BadCsr, match="private key") as caught:
            read_csr(text)
        assert secret.splitlines()[1] not in str(caught.value)


@pytest.mark.parametrize("text", ["", "hello", "x" * 70_000, csr_pem(NAME) * 2, csr_pem(NAME) + "more"])
def test_text_that_is_not_one_csr_is_refused(text: str) -> None:
    with pytest.raises(BadCsr, match="not one PEM block"):
        read_csr(text)


def test_unreadable_csr_is_refused() -> None:
    lines = csr_pem(NAME).splitlines()
    with pytest.raises(BadCsr, match="cannot be read"):
        read_csr("\n".join([lines[0], *lines[2:]]))


def test_csr_signed_with_another_key_is_refused() -> None:
    one, other = (
        x509.load_pem_x509_csr(csr_pem(name, key=key).encode()) for name, key in (("a.example", K1), ("b.example", K2))
    )
    with pytest.raises(BadCsr, match=r"RFC 2986 4\.2"):
        read_csr(forged(one, other))


K1, K2 = (rsa.generate_private_key(65537, 2048) for _ in range(2))


def forged(one: x509.CertificateSigningRequest, other: x509.CertificateSigningRequest) -> str:
    """Return a request with the signature of another one: both are of one length."""
    der = one.public_bytes(Encoding.DER).replace(one.signature, other.signature)
    return x509.load_der_x509_csr(der).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"names": ()}, "at least one"),
        ({"names": (NAME, NAME)}, "each once"),
        ({"idempotency_key": "two words"}, "idempotency key"),
        ({"idempotency_key": "line\r\nX-Other: 1"}, "idempotency key"),
        ({"idempotency_key": ""}, "idempotency key"),
        ({"replaces": "AB" * 32}, "SHA-256"),
    ],
)
def test_invalid_order_is_a_programming_error(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        request(**changes)


def test_order_has_no_private_key() -> None:
    assert {field for field in OrderRequest.__slots__ if "key" in field} == {"idempotency_key"}
    assert "PRIVATE" not in csr().pem
