"""The state from which a step is previewed: the case as it would be if every earlier step had succeeded.

Only a repair makes a CSR, a certificate and an order. A preview uses placeholders for them, and the output replaces
each placeholder by a description in angle brackets.
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
from remediate.hosts.local_command import LocalCommand
from remediate.issuers import IssuerAction, PreviewsRequests, Request
from remediate.pki.csr import Csr, read_csr, unique_value
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

Action: TypeAlias = Command | IssuerAction
"""A command that changes a host, a request to the issuer, or a program on this machine."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence about a step that its commands and requests do not show, such as when it runs them."""

    text: str


@dataclass(slots=True)
class PreviewState:
    """A case before its next step. The preview of a step records here the results that later steps use."""

    context: CaseContext  # its sessions and its issuer refuse everything; its CSR is a placeholder
    issuer: PreviewsRequests | None  # None if the client cannot preview its requests
    order: PlacedOrder | None  # placed by an earlier run
    has_csr: bool  # whether key and CSR exist on the host
    uses_csr: bool = False  # whether a step has needed the CSR
    is_downloaded: bool = False
    staged: set[FileSet] = field(default_factory=set)  # the file sets with a staged new version
    activated: set[FileSet] = field(default_factory=set)  # the file sets with a started switch

    @property
    def order_id(self) -> str | None:
        """The id of the order that an earlier run placed, None if there is none or its id is unknown."""
        return self.order.order_id if self.order else None


def placeholder_csr() -> Csr:
    """Return the placeholder for the CSR that is made on the host."""
    return read_csr(_REQUEST)


def placeholder_version(leaf: str, key_path: str) -> Version:
    """Return the placeholder for a version with this leaf (ISSUED_LEAF or LEAF_IN_USE) and this key path."""
    return Version(leaf, _CHAIN, key_path)


def explain_placeholders(action: Action) -> Action:
    """Return a command or a request in which every placeholder is replaced by its description."""
    descriptions = _descriptions()

    def explained(text: str) -> str:
        for placeholder, description in descriptions.items():
            text = text.replace(placeholder, description)
        return text

    if isinstance(action, Request):
        return replace(action, why=explained(action.why), url=explained(action.url), body=explained(action.body))
    if isinstance(action, LocalCommand):
        return replace(action, stdin=explained(action.stdin))
    return replace(action, why=explained(action.why), arguments=tuple(map(explained, action.arguments)))


def _descriptions() -> Mapping[str, str]:
    """Return the description of each placeholder; a longer placeholder comes before one that it contains."""
    csr = placeholder_csr()
    der = x509.load_pem_x509_csr(_REQUEST.encode("ascii")).public_bytes(Encoding.DER)
    md5 = hashlib.md5(der, usedforsecurity=False).hexdigest()
    versions = (placeholder_version(leaf, "") for leaf in (ISSUED_LEAF, LEAF_IN_USE))
    return {
        json.dumps(csr.pem)[1:-1]: "<the request made above>",
        csr.pem: "<the request made above>",
        csr.sha256: "<SHA-256 of the request>",
        unique_value(csr): "<the first 20 digits of that>",
        md5.upper(): "<MD5 of the request>",
        PLACED_ORDER: "<the order>",
        VERSION_BEFORE: "<the version before>",
        **{version.name: "<version>" for version in versions},
    }
