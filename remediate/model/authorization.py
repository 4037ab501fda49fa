"""What an issuer requires before it issues a certificate: authorizations and their challenges (RFC 8555 7.1.4, 8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

AuthorizationStatus = Literal["pending", "valid", "invalid", "deactivated", "expired", "revoked"]
"""The status of an authorization (RFC 8555 7.1.6)."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """A way to show control over an identifier: present `content` where the type of the challenge says.

    `token` names what is presented, such as a file or a DNS record. `url` is where its validation is requested; it is
    empty if the issuer validates without a request.
    """

    type: str
    identifier: str  # a DNS name or an IP address
    token: str
    content: str
    url: str = ""

    def __str__(self) -> str:
        """Return type and identifier."""
        return f"{self.type} of {self.identifier}"


@dataclass(frozen=True, slots=True)
class Authorization:
    """The permission to issue for an identifier; while it is pending, one of its challenges has to be presented."""

    identifier: str
    challenges: tuple[Challenge, ...] = ()
    status: AuthorizationStatus = "pending"
    is_wildcard: bool = False
    expires: datetime | None = None
