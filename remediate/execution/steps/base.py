"""The protocol of a step: a look at the world, an act that makes it so, and a preview of that act.

A step that cannot be taken raises StepBlocked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from audit.host.trust import REFUSED
from remediate.execution.case_context import CaseContext
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import BUSY
from remediate.model.case import StepDetail
from remediate.model.causes import Cause
from remediate.model.outcome import Ended


class StepBlocked(Exception):
    """Why a step cannot be taken now: the cause, a sentence for a person, and what that means for the next try.

    `failed` earns backoff, `pending` is the issuer's time, `interrupted` is nobody's fault: a lock, a lost connection.
    `went_back` tells that the services use what they did before, `published_spki_sha256` which key's TLSA record was
    seen in the zone.
    """

    def __init__(  # noqa: PLR0913 - all but two by keyword
        self,
        cause: Cause,
        why: str,
        *,
        ended: Ended = "failed",
        retry_after_s: float | None = None,
        went_back: bool = False,
        published_spki_sha256: str | None = None,
    ) -> None:
        """Keep all of it."""
        super().__init__(why)
        self.cause = cause
        self.detail = StepDetail(why, published_spki_sha256=published_spki_sha256)
        self.ended = ended
        self.retry_after_s = retry_after_s
        self.went_back = went_back


class Satisfied(StepDetail):
    """The world is as the step wants it, and what was seen of it."""

    __slots__ = ()


class RepairStep(Protocol):
    """How a kind of step is taken for one subject: a service, an endpoint, or the whole case."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return that it is so already, or None; raises Stuck where it cannot become so. It changes nothing."""

    def apply(self, context: CaseContext, subject: str) -> None:
        """Do what makes it so, as often as it is called; raises Stuck."""

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield every command that `apply` runs to change something and every request it makes, in order.

        They come from the functions that `apply` calls too. Nothing is run and no issuer is asked. Raises StepBlocked
        or NotFoundOnHost after the last action, if the step would end there.
        """


def done(context: CaseContext, command: Command) -> CommandResult:
    """Return how a command ended that has to end well; raises Stuck."""
    result = context.execute(command)
    if result.ok:
        return result
    if result.status in (None, BUSY):
        raise interruption(context, result)
    if result.status == REFUSED:
        raise StepBlocked(Cause.HOST_UNTRUSTED_PATH, f"{command.why}: {said(result)}")
    raise StepBlocked(Cause.HOST_COMMAND, f"{command.why}: {said(result)}")


def interruption(context: CaseContext, result: CommandResult) -> StepBlocked:
    """Return why a command was not run: somebody else works on the host, or it cannot be reached."""
    if result.status == BUSY:
        return StepBlocked(Cause.HOST_LOCKED, f"{context.case.host} is {result.output.strip()}", ended="interrupted")
    return StepBlocked(Cause.HOST_UNREACHABLE, f"{context.case.host}: {said(result)}", ended="interrupted")


def said(result: CommandResult) -> str:
    """Return the end of what a command said, in one line."""
    lines = (result.error.strip() or result.output.strip() or "it said nothing").splitlines()
    return " ".join(lines[-3:])[-400:]
