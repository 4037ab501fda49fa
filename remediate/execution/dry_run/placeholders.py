"""Stand-ins: what a rehearsal has in the place of what only a repair makes, and what each of them stands for.

It knows a request that is nobody's; it refuses to know what is rehearsed. A stand-in is never printed: in angle
brackets stands what it stands for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from remediate.deployment.versions import Installation, Version
from remediate.hosts.command import Command
from remediate.hosts.workdir import HostWorkdir
from remediate.issuers.base import Request
from remediate.pki.csr import Csr, read_csr

ORDER: Final = "the-order-that-was-placed"
BEFORE: Final = "the-version-before"
ISSUED: Final = "<the certificate that was issued>"
IN_USE: Final = "<the certificate in use>"
_CHAIN: Final = "<the certificates of its CAs>"
# Its key was thrown away; the names that are asked for are told beside it.
_REQUEST: Final = """\
-----BEGIN CERTIFICATE REQUEST-----
MIHqMIGQAgEAMAAwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATq4BeMMYICEaHl
x3v22Oc21JPlQNTbRA+QYzazrLU1JYlYpGfx/3KSSqCBjwvIkvw6+9+Yn7wC2If+
j8kwJQQaoC4wLAYJKoZIhvcNAQkOMR8wHTAbBgNVHREEFDASghBzdGFuZC1pbi5p
bnZhbGlkMAoGCCqGSM49BAMCA0kAMEYCIQC9ZwKzuyoQfpKYcYScbH65UZjWh6mA
PDWiIQ9X+eXQZAIhAPFLdvj66P8vy/+FZxGp2c7dKb3zQckymi2WVljMwol+
-----END CERTIFICATE REQUEST-----
"""


def request() -> Csr:
    """Return what stands for the request that is made on the host."""
    return read_csr(_REQUEST)


def version(leaf: str, key_path: str) -> Version:
    """Return what stands for what would be installed: ISSUED or IN_USE, its CAs, and where its key will be or is."""
    return Version(leaf, _CHAIN, key_path)


def _meanings(premises: HostWorkdir) -> Mapping[str, str]:
    """Return what each stand-in stands for, the longer before what is part of it."""
    csr = request()
    der = x509.load_pem_x509_csr(_REQUEST.encode("ascii")).public_bytes(Encoding.DER)
    md5 = hashlib.md5(der, usedforsecurity=False).hexdigest()
    return {
        json.dumps(csr.pem)[1:-1]: "<the request made above>",
        csr.pem: "<the request made above>",
        csr.sha256: "<SHA-256 of the request>",
        csr.sha256[:20]: "<the first 20 digits of that>",
        md5.upper(): "<MD5 of the request>",
        ORDER: "<the order>",
        BEFORE: "<the version before>",
        **{Installation(premises, ()).name_of(version(leaf, "")): "<version>" for leaf in (ISSUED, IN_USE)},
    }


def explained(action: Command | Request, premises: HostWorkdir) -> Command | Request:
    """Return a command or a request in which every stand-in is what it stands for."""
    meanings = _meanings(premises)

    def said(text: str) -> str:
        for stand_in, stands_for in meanings.items():
            text = text.replace(stand_in, stands_for)
        return text

    if isinstance(action, Request):
        return replace(action, why=said(action.why), url=said(action.url), body=said(action.body))
    return replace(action, why=said(action.why), arguments=tuple(map(said, action.arguments)))
