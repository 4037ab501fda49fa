"""The issuers we know: a table of one row each. A new one is one file beside this and one row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from remediate.issuers.issuer import (
    Access,
    BadIssuer,
    Dcv,
    FaultKind,
    Foretelling,
    Issuer,
    IssuerFault,
    Order,
    OrderRequest,
    Status,
)
from remediate.issuers.store import Store

ISSUERS: Final[Mapping[str, Callable[[Access], Issuer]]] = {
    "store": Store,
}
"""What makes an issuer, by the `kind` of its section in the configuration."""


def open_issuer(kind: str, access: Access) -> Issuer:
    """Return the issuer of that kind; raises BadIssuer."""
    if kind not in ISSUERS:
        raise BadIssuer(f"no issuer of the kind {kind!r}; known are {', '.join(ISSUERS)}")
    return ISSUERS[kind](access)


__all__ = [
    "ISSUERS",
    "Access",
    "BadIssuer",
    "Dcv",
    "FaultKind",
    "Foretelling",
    "Issuer",
    "IssuerFault",
    "Order",
    "OrderRequest",
    "Status",
    "open_issuer",
]
