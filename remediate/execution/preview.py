"""What the preview of a step starts from: the case as it would be if every earlier step had succeeded.

Only a repair makes a request, a certificate and an order. A preview uses placeholders for them, and the output names
in angle brackets what each one stands for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from remediate.deployment.versions import FileSet, Version
from remediate.execution.case_context import CaseContext
from remediate.hosts.command import Command
from remediate.hosts.workdir import HostWorkdir
from remediate.issuers import PreviewsRequests
from remediate.issuers.base import Request
from remediate.pki.csr import Csr, read_csr
from remediate.state.orders import PlacedOrder

PLACED_ORDER: Final = "the-order-that-was-placed"
VERSION_BEFORE: Final = "the-version-before"
ISSUED_LEAF: Final = "<the certificate that was issued>"
LEAF_IN_USE: Final = "<the certificate in use>"
_CHAIN: Final = "<the certificates of its CAs>"
# Its key was thrown away. The names that will be requested are printed beside it.
_REQUEST: Final = """\
-----BEGIN CERTIFICATE REQUEST-----
MIHqMIGQAgEAMAAwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATq4BeMMYICEaHl
x3v22Oc21JPlQNTbRA+QYzazrLU1JYlYpGfx/3KSSqCBjwvIkvw6+9+Yn7wC2If+
j8kwJQQaoC4wLAYJKoZIhvcNAQkOMR8wHTAbBgNVHREEFDASghBzdGFuZC1pbi5p
bnZhbGlkMAoGCCqGSM49BAMCA0kAMEYCIQC9ZwKzuyoQfpKYcYScbH65UZjWh6mA
PDWiIQ9X+eXQZAIhAPFLdvj66P8vy/+FZxGp2c7dKb3zQckymi2WVljMwol+
-----END CERTIFICATE REQUEST-----
"""

Action: TypeAlias = Command | Request
"""What a step changes on a host, or asks the issuer."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence about what a step does beside its commands and requests, or when it runs them."""

    text: str


@dataclass(slots=True)
class PreviewState:
    """A case as its next step would find it. The preview of a step records here what the step leaves to later ones."""

    context: CaseContext  # cannot run a command, nor ask the issuer; its CSR is a placeholder
    issuer: PreviewsRequests | None  # None if the issuer cannot say which requests it makes
    order: PlacedOrder | None  # that an earlier run placed
    has_csr: bool  # key and CSR wait on the host
    uses_csr: bool = False  # a step has needed the CSR
    is_downloaded: bool = False
    staged: set[str] = field(default_factory=set)  # directories of the file sets whose new version is staged
    activated: set[str] = field(default_factory=set)  # and those where its switch is started

    @property
    def order_id(self) -> str | None:
        """The id of the order that an earlier run placed, None if there is none or its id is unknown."""
        return self.order.order_id if self.order else None


def placeholder_csr() -> Csr:
    """Return the placeholder of the CSR that is made on the host."""
    return read_csr(_REQUEST)


def placeholder_version(leaf: str, key_path: str) -> Version:
    """Return the placeholder of an installed version: its leaf (ISSUED_LEAF or LEAF_IN_USE) and the path of its key."""
    return Version(leaf, _CHAIN, key_path)


def explain_placeholders(action: Action, workdir: HostWorkdir) -> Action:
    """Return a command or a request in which every placeholder is replaced by what it stands for."""
    meanings = _meanings(workdir)

    def explained(text: str) -> str:
        for placeholder, meaning in meanings.items():
            text = text.replace(placeholder, meaning)
        return text

    if isinstance(action, Request):
        return replace(action, why=explained(action.why), url=explained(action.url), body=explained(action.body))
    return replace(action, why=explained(action.why), arguments=tuple(map(explained, action.arguments)))


def _meanings(workdir: HostWorkdir) -> Mapping[str, str]:
    """Return what each placeholder stands for; a placeholder comes before any part of it."""
    csr = placeholder_csr()
    der = x509.load_pem_x509_csr(_REQUEST.encode("ascii")).public_bytes(Encoding.DER)
    md5 = hashlib.md5(der, usedforsecurity=False).hexdigest()
    versions = (placeholder_version(leaf, "") for leaf in (ISSUED_LEAF, LEAF_IN_USE))
    return {
        json.dumps(csr.pem)[1:-1]: "<the request made above>",
        csr.pem: "<the request made above>",
        csr.sha256: "<SHA-256 of the request>",
        csr.sha256[:20]: "<the first 20 digits of that>",
        md5.upper(): "<MD5 of the request>",
        PLACED_ORDER: "<the order>",
        VERSION_BEFORE: "<the version before>",
        **{FileSet(workdir, ()).name_of(version): "<version>" for version in versions},
    }
