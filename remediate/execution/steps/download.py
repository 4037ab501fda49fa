"""The step `collect`: the issued certificate was downloaded and matches the order.

It decides how long a run waits for an order, and when the order is abandoned. No service is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

from audit.text import duration, join_clauses
from remediate.challenges import Challenge
from remediate.execution.case_context import CaseContext
from remediate.execution.preview import PLACED_ORDER, Action, PreviewState, Remark
from remediate.execution.steps.access_log_notes import request_notes
from remediate.execution.steps.base import Satisfied, StepBlocked, require_success
from remediate.execution.steps.key import request_of
from remediate.execution.steps.order import order_of
from remediate.execution.steps.self_test import (
    placed_challenges,
    preview_publication,
    preview_withdrawal,
    publish,
    withdraw,
)
from remediate.issuers import Order
from remediate.model.causes import Cause
from remediate.pki.host_key import discard_key_command
from remediate.pki.issued_chain import Expected, InstallableChain, IssuedPem, Rejection, check_issued
from remediate.retry.backoff import poll_delay_s

TOO_OLD: Final = timedelta(days=7)
"""An order that is pending for longer is canceled, because its validations have expired."""


class Download:
    """Keeps the certificate for the next steps; the next run downloads it again."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return the leaf to install once it was downloaded."""
        del subject  # it is for the whole case
        if not context.is_collected:
            return None
        leaf = installable_of(context).leaf.sha256
        leftovers = f"; left behind: {join_clauses(context.left_behind)}" if context.left_behind else ""
        return Satisfied(f"leaf {leaf}{leftovers}", context.request_lines, leaf)

    def apply(self, context: CaseContext, subject: str) -> None:
        """Poll until the certificate is issued or the time that a run waits is over."""
        del subject
        installable_of(context)
        context.request_lines = request_notes(context, _challenges(context), is_ordered=True)
        context.left_behind = withdraw(context)
        context.is_collected = True

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the request that is repeated until the certificate is issued, and the commands that remove the file."""
        del subject
        yield from preview_download(state)
        if state.order and state.order.status.startswith("pending") and not state.context.is_published:
            yield from preview_publication(state)
        yield from preview_withdrawal(state)


def installable_of(context: CaseContext) -> InstallableChain:
    """Return the issued chain of a case if it may be installed; raises StepBlocked."""
    if context.installable is None:
        order = _issued(context)
        expected = Expected(request_of(context), context.case.names)
        issued = IssuedPem(order.certificate_pem, order.ca_bundle_pem)
        chain = check_issued(issued, expected, context.run.anchors, context.now())
        if isinstance(chain, Rejection):
            raise _rejected(context, order, chain)
        context.installable = chain
    return context.installable


def preview_download(state: PreviewState) -> Iterator[Action]:
    """Yield the request with which `installable_of` downloads the certificate, once in a run."""
    if state.issuer and not state.is_downloaded:
        request = state.issuer.to_collect(state.order_id or PLACED_ORDER)
        yield replace(request, why=f"{request.why} until it is issued")
    state.is_downloaded = True


def _rejected(context: CaseContext, order: Order, why: Rejection) -> StepBlocked:
    """Return why the certificate is not installed; if the order is too old, the next attempt places a new order."""
    abandoned = ""
    if context.now() - order.created > TOO_OLD:
        require_success(context, discard_key_command(context.workdir))
        abandoned = f"; after {duration(context.now() - order.created)} it is given up"
    return StepBlocked(Cause.ISSUER_ANSWER, f"what {context.issuer.name} sent is not installed: {why}{abandoned}")


def _issued(context: CaseContext) -> Order:
    """Return the order once it is issued; raises StepBlocked if it is not in this run."""
    waited, polls = 0.0, 0
    while True:
        order = order_of(context)
        if order is None:
            raise StepBlocked(Cause.ISSUER_UNKNOWN, f"{context.issuer.name} has no order for {request_of(context)}")
        if order.status == "issued":
            return order
        if not order.is_pending or context.now() - order.created > TOO_OLD:
            raise _abandoned(context, order)
        if not context.is_published:
            publish(context)
        delay_s = poll_delay_s(polls, order.retry_after_s)
        if waited + delay_s > context.run.timeouts.issuance_s or context.run.stop.wait(delay_s):
            why = "\n".join((_order_status(context, order), *_requests_or_unknown(context)))
            raise StepBlocked(Cause.ISSUER_PENDING, why, ended="pending", retry_after_s=order.retry_after_s)
        waited, polls = waited + delay_s, polls + 1


def _abandoned(context: CaseContext, order: Order) -> StepBlocked:
    """Return why an order has failed; the next attempt makes a new CSR, because each order has its own."""
    age = ""
    if order.is_pending:
        age = f" after {duration(context.now() - order.created)}, and is canceled"
        context.issuer.client.cancel(order.id)
    requests = _requests_or_unknown(context)
    require_success(context, discard_key_command(context.workdir))
    return StepBlocked(Cause(f"issuer.{order.status}"), "\n".join((f"{_order_status(context, order)}{age}", *requests)))


def _order_status(context: CaseContext, order: Order) -> str:
    return f"the order {order.id} at {context.issuer.name} is {order.status}: {order.message}"


def _requests_or_unknown(context: CaseContext) -> tuple[str, ...]:
    """Return lines about who requested the challenge file, or a line that says why this is unknown."""
    requests = request_notes(context, _challenges(context), is_ordered=True)
    if requests or context.run.stop.is_set():
        return requests
    return ("it is unknown who requested the challenge file, because no access log is known",)


def _challenges(context: CaseContext) -> tuple[Challenge, ...]:
    try:
        return tuple(placed_challenges(context))
    except StepBlocked:  # reported where the file is published
        return ()
