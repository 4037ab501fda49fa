"""The program of a cPanel & WHM server as an issuer: it makes key, order and installation itself, so no order is taken.

It knows why it takes none; how the program is run is known where the agents are that own certificates.
"""

from __future__ import annotations

from typing import Final

from remediate.csr import Csr
from remediate.issuers.issuer import IssuerFault, OrderRequest

_FAULT: Final = IssuerFault(
    "refused",
    "the program of a cPanel & WHM server orders for the panel's own services alone, and with keys of its own",
)


class Panel:
    """The issuer whose orders nobody but the panel places."""

    def find(self, csr: Csr) -> IssuerFault:
        """Say so."""
        del csr
        return _FAULT

    def order(self, request: OrderRequest) -> IssuerFault:
        """Say so."""
        del request
        return _FAULT

    def collect(self, order_id: str) -> IssuerFault:
        """Say so."""
        del order_id
        return _FAULT

    def cancel(self, order_id: str) -> IssuerFault:
        """Say so."""
        del order_id
        return _FAULT
