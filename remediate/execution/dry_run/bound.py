"""The means of a rehearsal: hands that are bound, and an issuer that is not to be asked.

It knows only how to refuse.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from remediate.execution.context import RunContext
from remediate.hosts.command import Command, CommandResult
from remediate.issuers import IssuerFault, Order, OrderRequest
from remediate.pki.csr import Csr


class Touched(RuntimeError):
    """A rehearsal that was about to do something: a bug of ours."""


def bound(means: RunContext) -> RunContext:
    """Return means of which those that touch a host or the issuer raise Touched."""
    return replace(means, hands={label: BoundHands() for label in means.hands}, issuer=UnaskedIssuer())


class BoundHands:
    """Hands that run nothing."""

    def run(self, command: Command) -> CommandResult:
        """Refuse."""
        raise Touched(f"a rehearsal would have run on {command.host}: {command.why}")


class UnaskedIssuer:
    """An issuer that answers nothing."""

    def find(self, csr: Csr) -> Order | IssuerFault | None:
        """Refuse."""
        _refuse(csr)

    def order(self, request: OrderRequest) -> Order | IssuerFault:
        """Refuse."""
        _refuse(request.names)

    def collect(self, order_id: str) -> Order | IssuerFault:
        """Refuse."""
        _refuse(order_id)

    def cancel(self, order_id: str) -> IssuerFault | None:
        """Refuse."""
        _refuse(order_id)


def _refuse(what: object) -> NoReturn:
    raise Touched(f"a rehearsal would have asked the issuer about {what}")
