"""The issuers we know: a table of one row each. A new one is one file beside this and one row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from remediate.issuers.base import (
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
from remediate.issuers.none import panel
from remediate.issuers.store import Store

ISSUERS: Final[Mapping[str, Callable[[Access], Issuer]]] = {
    "store": Store,
}
"""What makes an issuer, by the `kind` of its section in the configuration."""

AT_HOME: Final[Mapping[str, Callable[[], Issuer]]] = {
    "cpanel": panel,
}
"""Those that nobody is asked for over a network, so that they have neither address nor token."""


def open_issuer(kind: str, access: Access) -> Issuer:
    """Return the issuer of that kind; raises BadIssuer."""
    if kind not in ISSUERS:
        raise BadIssuer(f"no issuer of the kind {kind!r}; known are {', '.join((*ISSUERS, *AT_HOME))}")
    return ISSUERS[kind](access)


__all__ = [
    "AT_HOME",
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
