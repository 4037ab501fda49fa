"""The step `order`: the issuer has one order for the request of the case, whatever happened before.

It knows the orders in the journal and the issuer's ways to be asked; what comes of the order is the next step's.
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


class Ordering:
    """An order is looked for before it is placed, and again where the answer to placing it was lost."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return which order there is at the issuer."""
        del subject  # it is for the whole case
        order = order_of(context)
        return Satisfied(f"{order.id}: {order.status}") if order else None

    def apply(self, context: CaseContext, subject: str) -> None:
        """Place the order, or be given the one that is there."""
        del subject
        if not context.is_published:
            publish(context)
        entry = _entry(context)
        context.orders.save(entry)
        answer = context.issuer.client.order(ordering(context))
        _keep(context, entry, answer)
        if isinstance(answer, IssuerFault) and not (answer.leaves_unknown and order_of(context)):
            raise stuck(context, answer)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the requests that look for the order, place it if there is none, and look at it."""
        del subject
        context, issuer, known = state.context, state.issuer, state.order_id
        if known is None:
            yield from (issuer.to_find(request_of(context)),) if issuer else ()
            yield from () if context.is_published else preview_publication(state)
            yield from (issuer.to_order(ordering(context)),) if issuer else ()
        yield from (issuer.to_collect(known or PLACED_ORDER),) if issuer else ()


def order_of(context: CaseContext) -> Order | None:
    """Return the order for the request of a case as it stands, None where there is none; raises Stuck."""
    entry = _entry(context)
    issuer = context.issuer.client
    answer = issuer.collect(entry.order_id) if entry.order_id else issuer.find(request_of(context))
    if answer is not None:
        _keep(context, entry, answer)
    if isinstance(answer, IssuerFault):
        raise stuck(context, answer)
    return answer


def stuck(context: CaseContext, fault: IssuerFault) -> StepBlocked:
    """Return what a fault of the issuer's means for a case."""
    is_theirs_to_mend = fault.kind in ("busy", "unreachable", "broken")
    return StepBlocked(
        Cause(f"issuer.{fault.kind}"),
        f"{context.issuer.name}: {fault}",
        ended="pending" if is_theirs_to_mend else "failed",
        retry_after_s=fault.retry_after_s,
    )


def ordering(context: CaseContext) -> OrderRequest:
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
    """Return what the journal has of this request's order, or what it will have."""
    known, csr = context.orders.of_case(context.case.id), request_of(context)
    last = next((one for one in known if one.csr_sha256 == csr.sha256), None)
    number = max((one.attempt for one in known), default=0) + 1
    now = context.now()
    return last or PlacedOrder(context.case.id, number, context.issuer.name, csr.sha256, "intended", now)


def _keep(context: CaseContext, entry: PlacedOrder, answer: Order | IssuerFault) -> None:
    """Keep what an answer says of the order; raises Stuck where its time contradicts ours."""
    require_same_time(context, context.issuer.name, answer.answered_at)
    if isinstance(answer, Order) and (entry.order_id, entry.status) != (answer.id, answer.status):
        now = context.now()
        context.orders.save(replace(entry, order_id=answer.id, status=answer.status, at=now))
