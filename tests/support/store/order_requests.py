"""Certification requests and orders for tests, in one line each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from remediate.issuers import OrderRequest
from remediate.pki.csr import Csr, read_csr
from tests.support.x509.certificates import MlDsaKey

NAME = "www.shop.example"


def csr_pem(*names: str, key: Any = None) -> str:  # noqa: ANN401 - any private key
    """Return a request for these names with a new key."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    digest = None if isinstance(own, MlDsaKey) else hashes.SHA256()
    return builder.add_extension(san, critical=False).sign(own, digest).public_bytes(Encoding.PEM).decode()


def csr(*names: str) -> Csr:
    """Return a request for these names, one where none is given, with a new key."""
    return read_csr(csr_pem(*(names or (NAME,))))


def request(*names: str, **changes: Any) -> OrderRequest:  # noqa: ANN401 - any field
    """Return an order for these names, one where none is given, with a new key."""
    made = csr(*names)
    good = OrderRequest(made, names or (NAME,), "case", f"case-{made.sha256[:16]}-1")
    return replace(good, **changes)
