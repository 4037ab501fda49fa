"""The issuers: a table of one row each. A new one is one file beside this and one row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from audit.config import ConfigSection
from audit.config.extensions import ExtensionKind, decode_kind
from remediate.issuers.base import (
    BadIssuer,
    FaultKind,
    FindsByCsr,
    Issuer,
    IssuerAction,
    IssuerConfig,
    IssuerEndpoint,
    IssuerFault,
    IssuerRun,
    KnowsChallengesBefore,
    Order,
    OrderRef,
    OrderRequest,
    OrderStatus,
    PreviewsRequests,
    Request,
)
from remediate.issuers.command import CommandConfig
from remediate.issuers.none import PanelConfig
from remediate.issuers.store import StoreConfig
from remediate.model.authorization import Authorization, Challenge
from remediate.pki.csr import Csr
from remediate.pki.issued_chain import IssuedPem

ISSUERS: Final[Mapping[str, type[IssuerConfig]]] = {
    "store": StoreConfig,
    "cpanel": PanelConfig,
    "command": CommandConfig,
}
"""The settings of an issuer's section, which open the issuer, by the `kind` of the section."""


def read_issuer(section: ConfigSection) -> IssuerConfig:
    """Return the decoded section `[issuer.NAME]`; raises BadConfiguration."""
    config = decode_kind(section, ExtensionKind.ISSUER, ISSUERS, IssuerConfig)
    if fault := config.lifetime_fault():
        raise section.bad(fault)
    return config


__all__ = [
    "ISSUERS",
    "Authorization",
    "BadIssuer",
    "Challenge",
    "Csr",
    "FaultKind",
    "FindsByCsr",
    "IssuedPem",
    "Issuer",
    "IssuerAction",
    "IssuerConfig",
    "IssuerEndpoint",
    "IssuerFault",
    "IssuerRun",
    "KnowsChallengesBefore",
    "Order",
    "OrderRef",
    "OrderRequest",
    "OrderStatus",
    "PreviewsRequests",
    "Request",
    "read_issuer",
]
