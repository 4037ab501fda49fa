"""The protocol of a step (check, apply, preview), and what steps share: commands that must succeed, clocks that agree.

A step that cannot be taken raises StepBlocked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Protocol, TypeVar

from audit.host.trust import REFUSED
from audit.text import duration
from remediate.challenges import SolverAction
from remediate.execution.case_context import CaseContext
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.hosts.command import CommandResult, Query
from remediate.hosts.workdir import BUSY
from remediate.model.case import StepDetail
from remediate.model.causes import Cause
from remediate.model.outcome import EndedAs

T = TypeVar("T")

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far two clocks may differ (the usual limit of Kerberos)."""


class StepBlocked(Exception):
    """A step cannot be done now: the cause, a sentence for the user, and the consequence for the next attempt.

    After `failed` the next attempt waits for its backoff. `pending` means that the issuer is still working.
    `interrupted` is not a failure: for example, the host was locked or the connection was lost. With `went_back` the
    services use their previous files. The TLSA record of the key `published_spki_sha256` was seen in the zone.
    `finding` is what a pre-check found, without times and texts that differ each time; its digest is kept.
    """

    def __init__(  # noqa: PLR0913 - all but two by keyword
        self,
        cause: Cause,
        why: str,
        *,
        ended: EndedAs = "failed",
        retry_after_s: float | None = None,
        went_back: bool = False,
        published_spki_sha256: str | None = None,
        finding: str = "",
    ) -> None:
        """Store the cause, and the sentence as the detail of the step."""
        super().__init__(why)
        self.cause = cause
        self.detail = StepDetail(why, published_spki_sha256=published_spki_sha256)
        self.ended = ended
        self.retry_after_s = retry_after_s
        self.went_back = went_back
        self.finding = sha256(finding.encode()).hexdigest()[:32] if finding else ""


class Satisfied(StepDetail):
    """A step is satisfied; the detail says what was observed."""

    __slots__ = ()


class RepairStep(Protocol):
    """A kind of step, done for one subject: a service, an endpoint, or the whole case."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return Satisfied, or None if the step must be applied; raises StepBlocked if it cannot. Changes nothing."""

    def apply(self, context: CaseContext, subject: str) -> None:
        """Satisfy the step. It may be applied several times. Raises StepBlocked."""

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield every command that `apply` runs to change something and every request it makes, in order.

        They come from the functions that `apply` calls too. No command is run and no request is sent. Raises
        StepBlocked or NotFoundOnHost after the last action if the step would end there.
        """


def require_success(context: CaseContext, command: SolverAction) -> CommandResult:
    """Run a command that has to succeed and return its result; raises StepBlocked."""
    result = context.execute(command)
    if result.ok:
        return result
    if result.status in (None, BUSY):
        raise interruption(context, result)
    if result.status == REFUSED:
        raise StepBlocked(Cause.HOST_UNTRUSTED_PATH, f"{command.why}: {output_tail(result)}")
    raise StepBlocked(Cause.HOST_COMMAND, f"{command.why}: {output_tail(result)}")


def query_result(context: CaseContext, query: Query[T]) -> T:
    """Run a query, which has to succeed, and return its parsed result; raises StepBlocked."""
    return query.parse(require_success(context, query.command))


def interruption(context: CaseContext, result: CommandResult) -> StepBlocked:
    """Return why a command did not run: another run holds the lock of the host, or the host cannot be reached."""
    if result.status == BUSY:
        return StepBlocked(Cause.HOST_LOCKED, f"{context.case.host} is {result.output.strip()}", ended="interrupted")
    return StepBlocked(Cause.HOST_UNREACHABLE, f"{context.case.host}: {output_tail(result)}", ended="interrupted")


def output_tail(result: CommandResult) -> str:
    """Return the last lines of what a command printed, as one line."""
    lines = (result.error.strip() or result.output.strip() or "it printed nothing").splitlines()
    return " ".join(lines[-3:])[-400:]


def require_same_time(context: CaseContext, owner: str, time: datetime | None) -> None:
    """Raise StepBlocked if the clock of another party is wrong; an unknown time is not compared."""
    if time is not None:
        _require_small(time - context.now(), owner)


def require_host_clock(context: CaseContext) -> None:
    """Raise StepBlocked if the clock of the host was wrong at its inspection; raises NotFoundOnHost."""
    for endpoint in context.case.endpoints:
        server = context.target(endpoint).server
        offset_s = server.clock_offset_s if server else None
        _require_small(timedelta(seconds=offset_s or 0.0), context.case.host)


def _require_small(offset: timedelta, owner: str) -> None:
    """Raise StepBlocked if another clock differs from ours by more than the tolerance."""
    if abs(offset) > CLOCK_TOLERANCE:
        relation = "ahead of" if offset > timedelta(0) else "behind"
        limit = f"limit {duration(CLOCK_TOLERANCE)}"
        why = f"the clock of {owner} is {duration(offset)} {relation} ours ({limit}): synchronize both clocks"
        raise StepBlocked(Cause.OPS_CLOCK_SKEW, why, ended="interrupted")
