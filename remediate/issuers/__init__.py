"""The issuers: a table of one row each. A new one is one file beside this and one row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from audit.config import ConfigSection
from audit.config.extensions import ExtensionKind, find_member, subclass_of
from remediate.issuers.base import (
    BadIssuer,
    Dcv,
    FaultKind,
    Issuer,
    IssuerConfig,
    IssuerEndpoint,
    IssuerFault,
    Order,
    OrderRequest,
    PreviewsRequests,
    Status,
)
from remediate.issuers.none import PanelConfig
from remediate.issuers.store import StoreConfig

ISSUERS: Final[Mapping[str, type[IssuerConfig]]] = {
    "store": StoreConfig,
    "cpanel": PanelConfig,
}
"""The settings of an issuer's section, which open the issuer, by the `kind` of the section."""


def read_issuer(section: ConfigSection) -> IssuerConfig:
    """Return the decoded section `[issuer.NAME]`; raises BadConfiguration."""
    kind = section.table.get("kind") if isinstance(section.table, dict) else None
    if not isinstance(kind, str):
        raise section.bad(f"it has no kind; known are {', '.join(ISSUERS)}")
    config = find_member(ExtensionKind.ISSUER, kind, ISSUERS, subclass_of(IssuerConfig), place=section.place)
    return section.decode(config)


__all__ = [
    "ISSUERS",
    "BadIssuer",
    "Dcv",
    "FaultKind",
    "Issuer",
    "IssuerConfig",
    "IssuerEndpoint",
    "IssuerFault",
    "Order",
    "OrderRequest",
    "PreviewsRequests",
    "Status",
    "read_issuer",
]
