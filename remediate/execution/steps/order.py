"""The step `order`: the issuer has one order for the request of the case, whatever happened before.

It knows the ledger and the issuer's ways to be asked; what comes of the order is the next step's.
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

    def look(self, site: CaseContext, subject: str) -> Satisfied | None:
        """Return which order there is at the issuer."""
        del subject  # it is for the whole case
        order = order_of(site)
        return Satisfied(f"{order.id}: {order.status}") if order else None

    def act(self, site: CaseContext, subject: str) -> None:
        """Place the order, or be given the one that is there."""
        del subject
        if not site.is_published:
            publish(site)
        entry = _entry(site)
        site.means.journal.ledger.keep_order(entry)
        answer = site.means.issuer.order(ordering(site))
        _keep(site, entry, answer)
        if isinstance(answer, IssuerFault) and not (answer.leaves_unknown and order_of(site)):
            raise stuck(site, answer)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the requests that look for the order, place it if there is none, and look at it."""
        del subject
        context, issuer, known = state.context, state.issuer, state.order_id
        if known is None:
            yield from (issuer.to_find(request_of(context)),) if issuer else ()
            yield from () if context.is_published else preview_publication(state)
            yield from (issuer.to_order(ordering(context)),) if issuer else ()
        yield from (issuer.to_collect(known or PLACED_ORDER),) if issuer else ()


def order_of(site: CaseContext) -> Order | None:
    """Return the order for the request of a case as it stands, None where there is none; raises Stuck."""
    entry = _entry(site)
    issuer = site.means.issuer
    answer = issuer.collect(entry.order_id) if entry.order_id else issuer.find(request_of(site))
    if answer is not None:
        _keep(site, entry, answer)
    if isinstance(answer, IssuerFault):
        raise stuck(site, answer)
    return answer


def stuck(site: CaseContext, fault: IssuerFault) -> StepBlocked:
    """Return what a fault of the issuer's means for a case."""
    is_theirs_to_mend = fault.kind in ("busy", "unreachable", "broken")
    return StepBlocked(
        Cause(f"issuer.{fault.kind}"),
        f"{site.means.issuer_name}: {fault}",
        ended="pending" if is_theirs_to_mend else "failed",
        retry_after_s=fault.retry_after_s,
    )


def ordering(site: CaseContext) -> OrderRequest:
    """Return what is ordered."""
    csr = request_of(site)
    return OrderRequest(
        csr=csr,
        names=site.case.names,
        idempotency_key=f"{site.case.id}-{csr.sha256}",
        unique_value=unique_value(site),
        product=site.means.product,
        replaces=site.case.old_leaf_sha256,
    )


def _entry(site: CaseContext) -> PlacedOrder:
    """Return what the ledger has of this request's order, or what it will have."""
    known, csr = site.means.journal.ledger.orders(site.case.id), request_of(site)
    last = next((one for one in known if one.csr_sha256 == csr.sha256), None)
    number = max((one.attempt for one in known), default=0) + 1
    now = site.means.clock()
    return last or PlacedOrder(site.case.id, number, site.means.issuer_name, csr.sha256, "intended", now)


def _keep(site: CaseContext, entry: PlacedOrder, answer: Order | IssuerFault) -> None:
    """Keep what an answer says of the order; raises Stuck where its time contradicts ours."""
    require_same_time(site, site.means.issuer_name, answer.answered_at)
    if isinstance(answer, Order) and (entry.order_id, entry.status) != (answer.id, answer.status):
        now = site.means.clock()
        site.means.journal.ledger.keep_order(replace(entry, order_id=answer.id, status=answer.status, at=now))
