"""Issuers that take no order and say why: none where none is configured, and a panel's own program.

That one makes key, order and installation itself. How it is run is known where the agents are that own certificates.
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
class Absent:
    """The issuer where there is none, or none that could be asked."""

    fault: IssuerFault = _NOT_CHOSEN

    def find(self, csr: Csr) -> IssuerFault:
        """Say why there is no order."""
        del csr
        return self.fault

    def order(self, request: OrderRequest) -> IssuerFault:
        """Say why there is no order."""
        del request
        return self.fault

    def collect(self, order_id: str) -> IssuerFault:
        """Say why there is no order."""
        del order_id
        return self.fault

    def cancel(self, order_id: str) -> IssuerFault:
        """Say why there is no order."""
        del order_id
        return self.fault


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelConfig(IssuerConfig):
    """`[issuer.NAME]` of the kind `cpanel`: the panel's own program, which needs neither address nor token."""

    def open(self, section: ConfigSection, proxy: str | None) -> Absent:
        """Return an issuer that places no orders: only the panel does."""
        del section, proxy
        return Absent(_PANELS)
