"""The step `order`: the issuer has exactly one order for the CSR of the case, also after a crash.

Waiting for the certificate is in download.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from remediate.execution.case_context import CaseContext
from remediate.execution.preview import PLACED_ORDER, Action, PreviewState, Remark
from remediate.execution.steps.base import Satisfied, StepBlocked
from remediate.execution.steps.clock_skew import require_same_time
from remediate.execution.steps.key import request_of
from remediate.execution.steps.self_test import preview_publication, publish, unique_value
from remediate.issuers import IssuerFault, Order, OrderRequest
from remediate.model.causes import Cause
from remediate.state.orders import PlacedOrder


class PlaceOrder:
    """Looks for an order before placing one, and again if the response to placing it was lost."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return the order that the issuer has."""
        del subject  # it is for the whole case
        order = order_of(context)
        return Satisfied(f"{order.id}: {order.status}") if order else None

    def apply(self, context: CaseContext, subject: str) -> None:
        """Place the order, or receive the existing one."""
        del subject
        if not context.is_published:
            publish(context)
        entry = _entry(context)
        context.orders.save(entry)
        answer = context.issuer.client.order(order_request(context))
        _keep(context, entry, answer)
        if isinstance(answer, IssuerFault) and not (answer.leaves_unknown and order_of(context)):
            raise blocked(context, answer)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the requests that look for the order, place it if there is none, and look at it."""
        del subject
        context, issuer, known = state.context, state.issuer, state.order_id
        if known is None:
            yield from (issuer.to_find(request_of(context)),) if issuer else ()
            yield from () if context.is_published else preview_publication(state)
            yield from (issuer.to_order(order_request(context)),) if issuer else ()
        yield from (issuer.to_collect(known or PLACED_ORDER),) if issuer else ()


def order_of(context: CaseContext) -> Order | None:
    """Return the current order for the CSR of a case, None if there is none; raises StepBlocked."""
    entry = _entry(context)
    issuer = context.issuer.client
    answer = issuer.collect(entry.order_id) if entry.order_id else issuer.find(request_of(context))
    if answer is not None:
        _keep(context, entry, answer)
    if isinstance(answer, IssuerFault):
        raise blocked(context, answer)
    return answer


def blocked(context: CaseContext, fault: IssuerFault) -> StepBlocked:
    """Return why the case is blocked by an error of the issuer."""
    is_temporary = fault.kind in ("busy", "unreachable", "broken")
    return StepBlocked(
        Cause(f"issuer.{fault.kind}"),
        f"{context.issuer.name}: {fault}",
        ended="pending" if is_temporary else "failed",
        retry_after_s=fault.retry_after_s,
    )


def order_request(context: CaseContext) -> OrderRequest:
    """Return what is ordered."""
    csr = request_of(context)
    return OrderRequest(
        csr=csr,
        names=context.case.names,
        idempotency_key=f"{context.case.id}-{csr.sha256}",
        unique_value=unique_value(context),
        product=context.issuer.product,
        replaces=context.case.old_leaf_sha256,
    )


def _entry(context: CaseContext) -> PlacedOrder:
    """Return what the journal has of the order for this CSR, or what it will have."""
    known, csr = context.orders.of_case(context.case.id), request_of(context)
    last = next((one for one in known if one.csr_sha256 == csr.sha256), None)
    number = max((one.attempt for one in known), default=0) + 1
    now = context.now()
    return last or PlacedOrder(context.case.id, number, context.issuer.name, csr.sha256, "intended", now)


def _keep(context: CaseContext, entry: PlacedOrder, answer: Order | IssuerFault) -> None:
    """Save the status of the order in a response; raises StepBlocked if its time contradicts ours."""
    require_same_time(context, context.issuer.name, answer.answered_at)
    if isinstance(answer, Order) and (entry.order_id, entry.status) != (answer.id, answer.status):
        now = context.now()
        context.orders.save(replace(entry, order_id=answer.id, status=answer.status, at=now))
