"""A certification request (PKCS #10, RFC 2986) as facts: its digests, its key's digest and the names in it.

It refuses everything that is not one request, a private key above all: what it holds may leave this machine.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.x509.loading import LIBRARY_ERRORS

_MAX_BYTES: Final = 65_536  # a request with an RSA-4096 key and a hundred names of full length has 40,000
_ONE_REQUEST: Final = re.compile(
    r"\s*-----BEGIN (?P<label>(?:NEW )?CERTIFICATE REQUEST)-----[A-Za-z0-9+/=\s]+-----END (?P=label)-----\s*"
)


class BadRequest(ValueError):
    """A text that is not one readable certification request; its message never quotes the text."""


@dataclass(frozen=True, slots=True)
class Csr:
    """A certification request whose own signature is right. Digests in lower-case hex; names as they stand in it."""

    pem: str
    sha256: str
    spki_sha256: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        """Return the beginning of its digest, which tells it from others."""
        return f"CSR {self.sha256[:16]}…"


def read_csr(pem: str) -> Csr:
    """Read a request from PEM (RFC 7468 7); raises BadRequest."""
    if "PRIVATE KEY" in pem:
        raise BadRequest("there is a private key in it, and a key never travels: hand over the request alone")
    if len(pem) > _MAX_BYTES or not _ONE_REQUEST.fullmatch(pem):
        raise BadRequest("not one block of PEM that begins with -----BEGIN CERTIFICATE REQUEST-----")
    try:
        request = x509.load_pem_x509_csr(pem.encode("ascii"))
        return _facts(pem.strip() + "\n", request)
    except LIBRARY_ERRORS as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise BadRequest(f"a certification request that cannot be read: {why}") from error


def _facts(pem: str, request: x509.CertificateSigningRequest) -> Csr:
    if not request.is_signature_valid:
        raise BadRequest("its signature was not made by the key in it (RFC 2986 4.2)")
    spki = request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    der = request.public_bytes(Encoding.DER)
    return Csr(pem, hashlib.sha256(der).hexdigest(), hashlib.sha256(spki).hexdigest(), _names(request))


def _names(request: x509.CertificateSigningRequest) -> tuple[str, ...]:
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    dns_names = tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))
    return (*dns_names, *map(str, names.get_values_for_type(x509.IPAddress)))
