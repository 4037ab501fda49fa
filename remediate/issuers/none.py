"""Issuers that take no order and return why: there is none, or it is the panel's own program.

That program makes key, order and installation itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from audit.config import ConfigSection
from remediate.issuers.base import IssuerConfig, IssuerFault, IssuerRun, Order, OrderRef, OrderRequest
from remediate.model.authorization import Challenge
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

    def place(self, request: OrderRequest) -> IssuerFault:
        """Return why there is no order."""
        del request
        return self.fault

    def fetch(self, ref: OrderRef) -> IssuerFault:
        """Return why there is no order."""
        del ref
        return self.fault

    def accept(self, challenge: Challenge) -> IssuerFault:
        """Return why there is no order."""
        del challenge
        return self.fault

    def finalize(self, order: Order, csr: Csr) -> IssuerFault:
        """Return why there is no order."""
        del order, csr
        return self.fault

    def download(self, order: Order) -> IssuerFault:
        """Return why there is no order."""
        del order
        return self.fault

    def cancel(self, ref: OrderRef) -> IssuerFault:
        """Return why there is no order."""
        del ref
        return self.fault


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelConfig(IssuerConfig):
    """`[issuer.NAME]` of the kind `cpanel`: the panel's own program, which needs neither address nor token."""

    def open(self, section: ConfigSection, run: IssuerRun) -> NoIssuer:
        """Return an issuer that places no orders: only the panel does."""
        del section, run
        return NoIssuer(_PANELS)
