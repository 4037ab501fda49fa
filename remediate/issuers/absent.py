"""No issuer: what stands in for one where none is configured. It takes no order and says why."""

from __future__ import annotations

from typing import Final

from remediate.csr import Csr
from remediate.issuers.issuer import IssuerFault, OrderRequest

_FAULT: Final = IssuerFault("refused", "no issuer is chosen: [remediate] issuer, and its section [issuer.NAME]")


class Absent:
    """The issuer where there is none."""

    def find(self, csr: Csr) -> IssuerFault:
        """Say that there is none."""
        del csr
        return _FAULT

    def order(self, request: OrderRequest) -> IssuerFault:
        """Say that there is none."""
        del request
        return _FAULT

    def collect(self, order_id: str) -> IssuerFault:
        """Say that there is none."""
        del order_id
        return _FAULT

    def cancel(self, order_id: str) -> IssuerFault:
        """Say that there is none."""
        del order_id
        return _FAULT
