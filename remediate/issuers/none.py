"""Issuers that take no order and return why: there is none, or it is the panel's own program.

That program makes key, order and installation itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from audit.config import ConfigSection
from remediate.issuers.base import IssuerConfig, IssuerFault, OrderRequest
from remediate.pki.csr import Csr

_NOT_CHOSEN: Final = IssuerFault("refused", "no issuer is chosen: [remediate] issuer, and its section [issuer.NAME]")
_PANELS: Final = IssuerFault(
    "refused",
    "the program of a cPanel & WHM server orders for the panel's own services alone, and with keys of its own",
)


@dataclass(frozen=True, slots=True)
class NoIssuer:
    """The issuer if none is configured, or none can take orders."""

    fault: IssuerFault = _NOT_CHOSEN

    def find(self, csr: Csr) -> IssuerFault:
        """Return why there is no order."""
        del csr
        return self.fault

    def order(self, request: OrderRequest) -> IssuerFault:
        """Return why there is no order."""
        del request
        return self.fault

    def collect(self, order_id: str) -> IssuerFault:
        """Return why there is no order."""
        del order_id
        return self.fault

    def cancel(self, order_id: str) -> IssuerFault:
        """Return why there is no order."""
        del order_id
        return self.fault


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelConfig(IssuerConfig):
    """`[issuer.NAME]` of the kind `cpanel`: the panel's own program, which needs neither address nor token."""

    def open(self, section: ConfigSection, proxy: str | None) -> NoIssuer:
        """Return an issuer that places no orders: only the panel does."""
        del section, proxy
        return NoIssuer(_PANELS)
