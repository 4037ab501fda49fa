"""Parses a CSR (PKCS #10, RFC 2986) to facts, and derives the challenge `http-csr-hash` from it.

Anything but one CSR is refused, above all a private key, because a CSR is sent to the issuer.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.x509.loading import LIBRARY_ERRORS
from remediate.model.authorization import Challenge

HTTP_CSR_HASH: Final = "http-csr-hash"
"""The challenge type of BR 3.2.2.4.18 in the form of Sectigo and the Store: it derives from the CSR alone."""
_MAX_BYTES: Final = 65_536  # a request with an RSA-4096 key and a hundred names of full length has 40,000
_ONE_REQUEST: Final = re.compile(
    r"\s*-----BEGIN (?P<label>(?:NEW )?CERTIFICATE REQUEST)-----[A-Za-z0-9+/=\s]+-----END (?P=label)-----\s*"
)


class BadCsr(ValueError):
    """A text that is not one readable CSR; the message never quotes the text."""


@dataclass(frozen=True, slots=True)
class Csr:
    """A CSR with a valid signature. Digests are lower-case hex; names are in the order of the CSR."""

    pem: str
    sha256: str
    spki_sha256: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        """Return the beginning of its digest."""
        return f"CSR {self.sha256[:16]}…"


def read_csr(pem: str) -> Csr:
    """Parse a CSR from PEM (RFC 7468 7); raises BadCsr."""
    if "PRIVATE KEY" in pem:
        raise BadCsr("it holds a private key, which must never leave its host: send only the CSR")
    if len(pem) > _MAX_BYTES or not _ONE_REQUEST.fullmatch(pem):
        raise BadCsr("not one PEM block that begins with -----BEGIN CERTIFICATE REQUEST-----")
    try:
        request = x509.load_pem_x509_csr(pem.encode("ascii"))
        return _facts(pem.strip() + "\n", request)
    except LIBRARY_ERRORS as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise BadCsr(f"the CSR cannot be read: {why}") from error


def _facts(pem: str, request: x509.CertificateSigningRequest) -> Csr:
    if not request.is_signature_valid:
        raise BadCsr("its signature was not made by the key in it (RFC 2986 4.2)")
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


def csr_hash_challenge(csr: Csr, name: str) -> Challenge:
    """Return the challenge of a name: its token is the name of the file, its content the lines of the file."""
    content = f"{_digest('sha256', csr)}\nsectigo.com\n{unique_value(csr)}"
    return Challenge(HTTP_CSR_HASH, name, f"{_digest('md5', csr).upper()}.txt", content)


def unique_value(csr: Csr) -> str:
    """Return the unique value of the challenge, which derives from the CSR, so that every run has the same."""
    return csr.sha256[:20]


def _digest(algorithm: str, csr: Csr) -> str:
    der = x509.load_pem_x509_csr(csr.pem.encode("ascii")).public_bytes(Encoding.DER)
    return hashlib.new(algorithm, der, usedforsecurity=False).hexdigest()
