"""The step `collect`: what was issued is in our hands, and is what was ordered.

It knows how long an order is waited for and given up; it touches no service.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

from audit.text import duration, sentence
from remediate.challenges import Challenge
from remediate.execution.case_context import CaseContext
from remediate.execution.preview import PLACED_ORDER, Action, PreviewState, Remark
from remediate.execution.steps.access_log_notes import visits
from remediate.execution.steps.base import Satisfied, StepBlocked, done
from remediate.execution.steps.key import request_of
from remediate.execution.steps.order import order_of
from remediate.execution.steps.self_test import placed, preview_publication, preview_withdrawal, publish, withdraw
from remediate.issuers import Order
from remediate.model.causes import Cause
from remediate.pki.host_key import discard_key_command
from remediate.pki.issued_chain import Expected, InstallableChain, IssuedPem, Rejection, check_issued
from remediate.retry.backoff import poll_delay_s

TOO_OLD: Final = timedelta(days=7)
"""An order that is still pending after it is canceled: its validations have lapsed by then."""


class Collect:
    """What is collected is kept for the steps that follow; it is collected again by the next run."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return what there is to install, once it has been collected."""
        del subject  # it is for the whole case
        if not context.is_collected:
            return None
        leaf = installable_of(context).leaf.sha256
        left = f"; left behind: {sentence(context.left_behind)}" if context.left_behind else ""
        return Satisfied(f"leaf {leaf}{left}", context.visits, leaf)

    def apply(self, context: CaseContext, subject: str) -> None:
        """Ask until the certificate is there or the issuer takes longer than a run waits."""
        del subject
        installable_of(context)
        context.visits = visits(context, _proofs(context), is_ordered=True)
        context.left_behind = withdraw(context)
        context.is_collected = True

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the request that is repeated until the certificate is issued, and what takes the file away again."""
        del subject
        yield from preview_download(state)
        if state.order and state.order.status.startswith("pending") and not state.context.is_published:
            yield from preview_publication(state)
        yield from preview_withdrawal(state)


def installable_of(context: CaseContext) -> InstallableChain:
    """Return what was issued for a case, judged; raises Stuck."""
    if context.installable is None:
        order = _issued(context)
        ordered = Expected(request_of(context), context.case.names)
        sent = IssuedPem(order.certificate_pem, order.ca_bundle_pem)
        judged = check_issued(sent, ordered, context.run.anchors, context.now())
        if isinstance(judged, Rejection):
            raise _refused(context, order, judged)
        context.installable = judged
    return context.installable


def preview_download(state: PreviewState) -> Iterator[Action]:
    """Yield the request by which `installable_of` gets the certificate, once in a run."""
    if state.issuer and not state.is_downloaded:
        request = state.issuer.to_collect(state.order_id or PLACED_ORDER)
        yield replace(request, why=f"{request.why} until it is issued")
    state.is_downloaded = True


def _refused(context: CaseContext, order: Order, why: Rejection) -> StepBlocked:
    """Return why what was issued is not installed; of what stays so for days the next try orders anew."""
    again = ""
    if context.now() - order.created > TOO_OLD:
        done(context, discard_key_command(context.workdir))
        again = f"; it has been so for {duration(context.now() - order.created)}, and is given up"
    return StepBlocked(Cause.ISSUER_ANSWER, f"what {context.issuer.name} sent is not installed: {why}{again}")


def _issued(context: CaseContext) -> Order:
    """Return the order once it is issued; raises Stuck where that does not come to pass in this run."""
    waited, polls = 0.0, 0
    while True:
        order = order_of(context)
        if order is None:
            raise StepBlocked(Cause.ISSUER_UNKNOWN, f"{context.issuer.name} knows no order for {request_of(context)}")
        if order.status == "issued":
            return order
        if not order.is_pending or context.now() - order.created > TOO_OLD:
            raise _given_up(context, order)
        if not context.is_published:
            publish(context)
        delay_s = poll_delay_s(polls, order.retry_after_s)
        if waited + delay_s > context.run.timeouts.issuance_s or context.run.stop.wait(delay_s):
            why = "\n".join((_said(context, order), *_came(context)))
            raise StepBlocked(Cause.ISSUER_PENDING, why, ended="pending", retry_after_s=order.retry_after_s)
        waited, polls = waited + delay_s, polls + 1


def _given_up(context: CaseContext, order: Order) -> StepBlocked:
    """Return why an order comes to nothing; the next try makes a new request, as none is ordered with twice."""
    age = ""
    if order.is_pending:
        age = f" after {duration(context.now() - order.created)}, and is canceled"
        context.issuer.client.cancel(order.id)
    came = _came(context)
    done(context, discard_key_command(context.workdir))
    return StepBlocked(Cause(f"issuer.{order.status}"), "\n".join((f"{_said(context, order)}{age}", *came)))


def _said(context: CaseContext, order: Order) -> str:
    return f"the order {order.id} at {context.issuer.name} is {order.status}: {order.message}"


def _came(context: CaseContext) -> tuple[str, ...]:
    """Return who has come for the proof, or that this is not known: whoever waits for a CA wants to know whether."""
    came = visits(context, _proofs(context), is_ordered=True)
    unknown = () if context.run.stop.is_set() else ("who has come for the file is not known, as no access log is",)
    return came or unknown


def _proofs(context: CaseContext) -> tuple[Challenge, ...]:
    try:
        return tuple(placed(context))
    except StepBlocked:  # it has a reason of its own, told where the proof is put
        return ()
