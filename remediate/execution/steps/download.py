"""The step `collect`: the issued certificate was downloaded and matches the order.

It decides how long a run waits for an order, and when the order is abandoned. No service is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from audit.text import duration, join_clauses
from remediate.execution.case_context import CaseContext, PublishedFile
from remediate.execution.preview import PLACED_ORDER, Action, PreviewState, Remark
from remediate.execution.steps.access_log_notes import request_notes
from remediate.execution.steps.authorizations import present_challenges, preview_challenges, remove_challenges
from remediate.execution.steps.base import Satisfied, StepBlocked, require_success
from remediate.execution.steps.key import request_of
from remediate.execution.steps.order import blocked, current_order, order_of, order_ref, placed_at, recorded
from remediate.execution.steps.self_test import (
    placed_files,
    preview_publication,
    preview_withdrawal,
    publish,
    withdraw,
)
from remediate.issuers import IssuerFault, KnowsChallengesBefore, Order, OrderStatus
from remediate.model.causes import Cause
from remediate.pki.host_key import discard_key_command
from remediate.pki.issued_chain import Expected, InstallableChain, IssuedPem, Rejection, check_issued
from remediate.retry.backoff import poll_delay_s

TOO_OLD: Final = timedelta(days=7)
"""An order that is pending for longer is canceled, because its validations have expired."""

_MINUTE_S: Final = 60.0

FAILED_ORDERS: Final[Mapping[OrderStatus, Cause]] = {
    "pending": Cause.ISSUER_PENDING_VALIDATION,
    "ready": Cause.ISSUER_PENDING_REVIEW,
    "processing": Cause.ISSUER_PENDING_REVIEW,
    "invalid": Cause.ISSUER_REJECTED,
    "canceled": Cause.ISSUER_CANCELED,
    "revoked": Cause.ISSUER_REVOKED,
}
"""Why an order has failed, by its status when it was abandoned."""


class Download:
    """Keeps the certificate for the next steps; the next run downloads it again."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return the leaf that was downloaded."""
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
        context.request_lines = request_notes(context, _files(context), is_ordered=True)
        context.left_behind = (*withdraw(context), *context.left_behind)
        context.is_collected = True

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the request that is repeated until the certificate is issued, and the commands that remove the file."""
        del subject
        yield from preview_download(state)
        if state.order and state.order.is_pending and not state.context.is_published:
            yield from preview_publication(state)
        if not isinstance(state.context.issuer.client, KnowsChallengesBefore):
            yield from preview_challenges(state)
        yield from preview_withdrawal(state)


def installable_of(context: CaseContext) -> InstallableChain:
    """Return the issued chain of a case if it may be installed; raises StepBlocked."""
    if context.installable is None:
        order = _issued(context)
        issued = context.issuer.client.download(order)
        if isinstance(issued, IssuerFault):
            raise blocked(context, issued)
        context.left_behind = remove_challenges(context)
        chain = _first_installable(context, issued)
        if isinstance(chain, Rejection):
            raise _rejected(context, order, chain)
        context.installable = chain
    return context.installable


def _first_installable(context: CaseContext, issued: tuple[IssuedPem, ...]) -> InstallableChain | Rejection:
    """Return the first chain that can be installed, or why the default chain cannot."""
    issuer, policy = context.issuer, context.run.policy
    expected = Expected(request_of(context), context.case.names, issuer.lifetime, policy)
    sent = issued or (IssuedPem(None),)
    chains = [check_issued(chain, expected, context.run.anchors, context.now()) for chain in sent]
    return next((chain for chain in chains if isinstance(chain, InstallableChain)), chains[0])


def preview_download(state: PreviewState) -> Iterator[Action]:
    """Yield the request with which `installable_of` downloads the certificate, once in a run."""
    if state.issuer and not state.is_downloaded:
        request = state.issuer.to_fetch(order_ref(state.context, state.order_id or PLACED_ORDER))
        if request:
            yield replace(request, why=f"{request.why} until it is issued")
    state.is_downloaded = True


def _rejected(context: CaseContext, order: Order, why: Rejection) -> StepBlocked:
    """Return why the certificate is not installed; if the order is too old, the next attempt places a new order."""
    abandoned = ""
    if _age(context, order) > TOO_OLD:
        require_success(context, discard_key_command(context.workdir))
        abandoned = f"; the order is given up after {duration(_age(context, order))}"
    return StepBlocked(Cause.ISSUER_ANSWER, f"what {context.issuer.name} sent is not installed: {why}{abandoned}")


def _issued(context: CaseContext) -> Order:
    """Return the order once it is issued; raises StepBlocked if it is not in this run."""
    waited, polls, order = 0.0, 0, order_of(context)
    while True:
        if order is None:
            raise StepBlocked(Cause.ISSUER_UNKNOWN, f"{context.issuer.name} has no order for {request_of(context)}")
        if order.status == "ready":
            order = recorded(context, context.issuer.client.finalize(order, request_of(context)))
        if order.status == "valid":
            return order
        if not order.is_pending or _age(context, order) > TOO_OLD:
            raise _abandoned(context, order)
        if not context.is_published:
            publish(context)
        present_challenges(context, order)
        # the issuer may send a Retry-After of 0 s
        delay_s = max(poll_delay_s(polls, order.retry_after_s), context.run.timeouts.look_s)
        if waited + delay_s > context.run.timeouts.issuance_s or _is_stopped(context, order, waited, delay_s):
            why = "\n".join((_order_status(context, order), *_requests_or_unknown(context)))
            raise StepBlocked(Cause.ISSUER_PENDING, why, ended="pending", retry_after_s=order.retry_after_s)
        waited, polls, order = waited + delay_s, polls + 1, current_order(context)


def _is_stopped(context: CaseContext, order: Order, waited_s: float, delay_s: float) -> bool:
    """Wait until the next poll, with a line to the user each minute; return whether the run was stopped."""
    end_s, host = waited_s + delay_s, context.case.host
    while waited_s < end_s:
        minutes = int(waited_s // _MINUTE_S) + 1
        until_s = min(end_s, minutes * _MINUTE_S)
        if context.run.stop.wait(until_s - waited_s):
            return True
        waited_s = until_s
        if waited_s >= minutes * _MINUTE_S:
            limit = duration(timedelta(seconds=context.run.timeouts.issuance_s))
            waited = duration(timedelta(seconds=waited_s))
            context.run.announce(
                f"{host}: waiting for the issuer since {waited} (limit {limit}): {_order_status(context, order)}"
            )
    return False


def _abandoned(context: CaseContext, order: Order) -> StepBlocked:
    """Return why an order has failed; the next attempt makes a new CSR, because each order has its own."""
    age = ""
    if order.is_pending:
        age = f" after {duration(_age(context, order))}, and is canceled"
        context.issuer.client.cancel(order_ref(context, order.id))
    requests = _requests_or_unknown(context)
    require_success(context, discard_key_command(context.workdir))
    return StepBlocked(FAILED_ORDERS[order.status], "\n".join((f"{_order_status(context, order)}{age}", *requests)))


def _age(context: CaseContext, order: Order) -> timedelta:
    return context.now() - placed_at(context, order)


def _order_status(context: CaseContext, order: Order) -> str:
    message = f": {order.message}" if order.message else ""
    return f"the order {order.id} at {context.issuer.name} is {order.word}{message}"


def _requests_or_unknown(context: CaseContext) -> tuple[str, ...]:
    """Return lines about who requested the challenge file, or a line that says why this is unknown.

    Of challenges that came with the order, return those that could not be looked at.
    """
    if not isinstance(context.issuer.client, KnowsChallengesBefore):
        return context.seen
    requests = request_notes(context, _files(context), is_ordered=True)
    if requests or context.run.stop.is_set():
        return requests
    return ("it is unknown who requested the challenge file, because no access log is known",)


def _files(context: CaseContext) -> tuple[PublishedFile, ...]:
    try:
        return tuple(placed_files(context))
    except StepBlocked:  # reported where the file is published
        return ()
