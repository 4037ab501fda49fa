"""The dry run of a case: the commands and requests that each of its steps would make. It makes none of them.

The steps themselves yield the commands and requests (`preview`); dry_run_lines.py prints them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, Literal, NoReturn

from remediate.execution.case_context import CaseContext, NotFoundOnHost
from remediate.execution.context import RunContext
from remediate.execution.executor import cleanup_commands, destruction_commands, phases, require_possible
from remediate.execution.host_context import HostContext
from remediate.execution.preview import (
    VERSION_BEFORE,
    Action,
    PreviewState,
    Remark,
    explain_placeholders,
    placeholder_csr,
)
from remediate.execution.steps import REPAIR_STEPS, StepBlocked
from remediate.execution.steps.self_test import preview_withdrawal
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.local_command import LocalCommand
from remediate.issuers import Issuer, KnowsChallengesBefore, Order, OrderRef, OrderRequest, PreviewsRequests
from remediate.model.authorization import Challenge
from remediate.model.case import EACH, Case, Step, StepKind
from remediate.pki.csr import Csr
from remediate.state.orders import INTENDED, PlacedOrder


@dataclass(frozen=True, slots=True)
class StepPreview:
    """The actions and remarks of a step. `blocked_by` says why the repair would stop at it; then no step follows.

    The kind is `end` for the actions after the last step, and empty if the repair cannot begin.
    """

    kind: StepKind | Literal["", "end"]
    subject: str
    parts: tuple[Action | Remark, ...]
    blocked_by: str = ""

    @property
    def actions(self) -> tuple[Action, ...]:
        """The commands and requests, without the remarks."""
        return tuple(part for part in self.parts if not isinstance(part, Remark))


class DryRunViolation(RuntimeError):
    """A dry run was about to run a command or send a request to the issuer: a bug of ours."""


def preview_actions(case: Case, run: RunContext) -> Iterator[Action]:
    """Yield every command of a repair that changes something, and every request to the issuer, in order.

    Each step is assumed to succeed. Values that only the repair creates are described in angle brackets.
    """
    for step in preview_steps(case, run):
        yield from step.actions


def preview_steps(case: Case, run: RunContext) -> Iterator[StepPreview]:
    """Yield the preview of each step of a repair, up to the first step that would stop it."""
    try:
        state = preview_state(case, run)
        require_possible(state.context)
        steps = tuple(_steps(state))
    except (StepBlocked, NotFoundOnHost) as why:
        yield StepPreview("", "", (), str(why))
        return
    for kind, subject, parts in steps:
        preview = _preview(kind, subject, parts)
        yield preview
        if preview.blocked_by:
            yield from _after_failure(state, kind)
            return


def preview_state(case: Case, run: RunContext) -> PreviewState:
    """Return the state of a case after earlier runs: its CSR, its order and its staged files are not made again.

    Raises NotFoundOnHost.
    """
    context = CaseContext(case, refusing(run), csr=placeholder_csr())
    order = _order_under_way(case, run)
    done = [step for step in case.steps if step.state == "done"]
    staged = {context.switch_group(step.subject).file_set for step in done if step.kind == "install"}
    client = run.issuer.client
    issuer = client if isinstance(client, PreviewsRequests) else None
    has_csr = order is not None or any(step.kind == "key" for step in done)
    return PreviewState(context, issuer, order, has_csr, staged=staged)


def _order_under_way(case: Case, run: RunContext) -> PlacedOrder | None:
    """Return the order that the repair would resume; None if there is no order, or if its CSR is no longer used."""
    last = next(reversed(run.journal.orders.unused(case.id)), None)
    return last if last and (last.status == INTENDED or last.is_under_way) else None


_Parts = tuple[StepKind | Literal["end"], str, Iterator[Action | Remark]]
_END: Final = "end"


def _steps(state: PreviewState) -> Iterator[_Parts]:
    """Yield kind and subject of each step to be run, with its actions and remarks; raises NotFoundOnHost."""
    for phase in phases(state.context):
        if any(step.state != "done" for step in phase):
            yield from ((step.kind, step.subject, _preview_parts(state, step)) for step in phase)
    destruction = destruction_commands(state.context, lambda _: VERSION_BEFORE)
    yield _END, "", chain(destruction, cleanup_commands(state.context))


def _preview_parts(state: PreviewState, step: Step) -> Iterator[Action | Remark]:
    return REPAIR_STEPS[state.context.case.repair][step.kind].preview(state, step.subject)


def _after_failure(state: PreviewState, kind: StepKind | Literal["end"]) -> Iterator[StepPreview]:
    """Yield the actions after a failed step: challenge files are removed if no service was changed yet."""
    if state.uses_csr and kind not in EACH:
        yield _preview(_END, "", preview_withdrawal(state))


def _preview(kind: StepKind | Literal["end"], subject: str, parts: Iterable[Action | Remark]) -> StepPreview:
    """Return the actions and remarks of a step until it succeeds or is blocked."""
    collected: list[Action | Remark] = []
    try:
        for part in parts:
            collected.append(part)  # noqa: PERF402 - the parts before an exception count
    except (StepBlocked, NotFoundOnHost) as why:
        return StepPreview(kind, subject, _explained(collected), str(why))
    return StepPreview(kind, subject, _explained(collected))


def _explained(parts: Iterable[Action | Remark]) -> tuple[Action | Remark, ...]:
    return tuple(part if isinstance(part, Remark) else explain_placeholders(part) for part in parts)


def refusing(run: RunContext) -> RunContext:
    """Return the same context; its sessions, its issuer and its programs raise DryRunViolation when they are used."""
    hosts = {label: _refusing(host) for label, host in run.hosts.items()}
    issuer = replace(run.issuer, client=refusing_issuer(run.issuer.client))
    return replace(run, hosts=hosts, issuer=issuer, run_local=_refuse_program)


def _refusing(host: HostContext) -> HostContext:
    return replace(host, session=RefusingSession()) if host.is_logged_in else host


class RefusingSession:
    """A host session that runs no command."""

    def run(self, command: Command) -> CommandResult:
        """Raise DryRunViolation."""
        raise DryRunViolation(f"a dry run would have run on {command.host}: {command.why}")


class RefusingIssuer:
    """An issuer client that sends no request."""

    def place(self, request: OrderRequest) -> NoReturn:
        """Raise DryRunViolation."""
        _refuse(request.names)

    def fetch(self, ref: OrderRef) -> NoReturn:
        """Raise DryRunViolation."""
        _refuse(ref.id)

    def accept(self, challenge: Challenge) -> NoReturn:
        """Raise DryRunViolation."""
        _refuse(challenge)

    def finalize(self, order: Order, csr: Csr) -> NoReturn:
        """Raise DryRunViolation."""
        del csr
        _refuse(order.id)

    def download(self, order: Order) -> NoReturn:
        """Raise DryRunViolation."""
        _refuse(order.id)

    def cancel(self, ref: OrderRef) -> NoReturn:
        """Raise DryRunViolation."""
        _refuse(ref.id)

    def find(self, csr: Csr) -> NoReturn:
        """Raise DryRunViolation."""
        _refuse(csr)


class RefusingIssuerOfFiles(RefusingIssuer):
    """A client that sends no request, and whose challenges are known before an order is placed."""

    def __init__(self, issuer: KnowsChallengesBefore) -> None:
        """Keep the issuer, which derives them without a request."""
        self._issuer = issuer

    def challenges_for(self, csr: Csr, names: tuple[str, ...]) -> tuple[Challenge, ...]:
        """Return the challenge of each name."""
        return self._issuer.challenges_for(csr, names)


def refusing_issuer(issuer: Issuer) -> RefusingIssuer:
    """Return a client that sends no request in place of another."""
    return RefusingIssuerOfFiles(issuer) if isinstance(issuer, KnowsChallengesBefore) else RefusingIssuer()


def _refuse(subject: object) -> NoReturn:
    raise DryRunViolation(f"a dry run would have sent a request to the issuer about {subject}")


def _refuse_program(command: LocalCommand, _stop: threading.Event) -> NoReturn:
    raise DryRunViolation(f"a dry run would have run {command.arguments[0]}: {command.why}")
