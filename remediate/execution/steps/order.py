"""The step `order`: the issuer has exactly one order for the CSR of the case, also after a crash.

download.py waits for the certificate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from remediate.execution.case_context import CaseContext
from remediate.execution.preview import PLACED_ORDER, Action, PreviewState, Remark
from remediate.execution.steps.base import Satisfied, StepBlocked, require_same_time
from remediate.execution.steps.key import request_of
from remediate.execution.steps.self_test import preview_publication, publish
from remediate.issuers import FindsByCsr, IssuerFault, Order, OrderRef, OrderRequest
from remediate.model.causes import Cause
from remediate.state.orders import INTENDED, PlacedOrder


class PlaceOrder:
    """Looks for an order before it places one, and again if the response was lost."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return the order at the issuer."""
        del subject  # it is for the whole case
        order = order_of(context)
        return Satisfied(f"{order.id}: {order.word}") if order else None

    def apply(self, context: CaseContext, subject: str) -> None:
        """Place the order, or receive the existing one."""
        del subject
        if not context.is_published:
            publish(context)
        entry = _entry(context)
        context.orders.save(entry)
        response = context.issuer.client.place(order_request(context))
        _save_status(context, entry, response)
        if isinstance(response, IssuerFault) and not (response.leaves_unknown and order_of(context)):
            raise blocked(context, response)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the requests that look for the order, place it if it does not exist, and read its status."""
        del subject
        context, issuer, order_id = state.context, state.issuer, state.order_id
        if order_id is None:
            yield from filter(None, (issuer.to_find(request_of(context)),) if issuer else ())
            yield from () if context.is_published else preview_publication(state)
            yield from (issuer.to_place(order_request(context)),) if issuer else ()
        yield from filter(None, (issuer.to_fetch(order_ref(context, order_id or PLACED_ORDER)),) if issuer else ())


def order_of(context: CaseContext) -> Order | None:
    """Return the order for the CSR of a case; None if there is no order; raises StepBlocked.

    An issuer that finds no order by its CSR, such as a program, does not get a second request for what it has just
    returned.
    """
    return context.order or current_order(context)


def current_order(context: CaseContext) -> Order | None:
    """Return the order as the issuer has it now; None if there is no order; raises StepBlocked."""
    response = _fetch(context, _entry(context).order_id)
    return None if response is None else recorded(context, response)


def recorded(context: CaseContext, response: Order | IssuerFault) -> Order:
    """Return the order in a response after its status is in the journal; raises StepBlocked."""
    _save_status(context, _entry(context), response)
    if isinstance(response, IssuerFault):
        raise blocked(context, response)
    return response


def _fetch(context: CaseContext, order_id: str | None) -> Order | IssuerFault | None:
    """Return the order; None if the issuer has none, or if that is unknown and the order is to be placed again."""
    issuer = context.issuer.client
    if order_id:
        return issuer.fetch(order_ref(context, order_id))
    return issuer.find(request_of(context)) if isinstance(issuer, FindsByCsr) else None


def blocked(context: CaseContext, fault: IssuerFault) -> StepBlocked:
    """Return how an error of the issuer blocks the case."""
    is_temporary = fault.kind in ("busy", "unreachable", "broken")
    return StepBlocked(
        Cause(f"issuer.{fault.kind}"),
        f"{context.issuer.name}: {fault}",
        ended="pending" if is_temporary else "failed",
        retry_after_s=fault.retry_after_s,
    )


def order_request(context: CaseContext) -> OrderRequest:
    """Return the request for the order of a case."""
    csr = request_of(context)
    return OrderRequest(
        csr=csr,
        names=context.case.names,
        case_id=context.case.id,
        idempotency_key=f"{context.case.id}-{csr.sha256}",
        product=context.issuer.product,
        lifetime=context.issuer.lifetime,
        replaces=context.case.old_leaf_sha256,
    )


def order_ref(context: CaseContext, order_id: str) -> OrderRef:
    """Return the reference to the order of a case."""
    return OrderRef(order_id, order_request(context))


def placed_at(context: CaseContext, order: Order) -> datetime:
    """Return when an order was placed: by the issuer, or by the journal if the issuer does not say."""
    return order.created or _entry(context).at


def _entry(context: CaseContext) -> PlacedOrder:
    """Return the entry of the journal for the order of this CSR, or a new entry that is not saved yet."""
    entries, csr = context.orders.of_case(context.case.id), request_of(context)
    last = next((entry for entry in entries if entry.csr_sha256 == csr.sha256), None)
    number = max((entry.attempt for entry in entries), default=0) + 1
    now = context.now()
    return last or PlacedOrder(context.case.id, number, context.issuer.name, csr.sha256, INTENDED, now)


def _save_status(context: CaseContext, entry: PlacedOrder, response: Order | IssuerFault) -> None:
    """Save the status of the order in a response; raises StepBlocked if the clock of the issuer is wrong."""
    require_same_time(context, context.issuer.name, response.responded_at)
    if not isinstance(response, Order):
        return
    if not isinstance(context.issuer.client, FindsByCsr):
        context.order = response
    if (entry.order_id, entry.status) != (response.id, response.word):
        context.orders.save(replace(entry, order_id=response.id, status=response.word, at=context.now()))
