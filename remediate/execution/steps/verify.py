"""The step `proof`: every address of an endpoint serves the new leaf on a valid path, and the switch is confirmed.

It knows when a switch is confirmed and when it is called back; it changes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audit.text import sentence
from remediate.deployment.switch import Progress, confirm, revert
from remediate.execution.case_context import CaseContext
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.activate import service_down, settled
from remediate.execution.steps.base import Satisfied, StepBlocked, done
from remediate.execution.steps.stage import preview_version_name, version_name
from remediate.execution.steps.wire_check import Look, faults_of, look_at, served
from remediate.hosts.command import Command
from remediate.model.case import SWITCHED
from remediate.model.causes import Cause

_SURE: Final = 4
"""If so many looks in a row find that every address rejects the new version, the run does not wait any longer."""


class Proof:
    """The last endpoint of a set of files confirms for all of them: they were proven before it."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return that the endpoint is proven, and the last of its set that the switch is confirmed."""
        if confirms(context, subject) and settled(context, context.switch_group(subject)).last.state != "confirmed":
            return None
        return None if faults_of(context, subject) else Satisfied("proven on every address")

    def apply(self, context: CaseContext, subject: str) -> None:
        """Observe until all is well, and confirm; else let the old version be taken back and say what is served."""
        look, rejections = look_at(context, subject), 0

        def is_decided() -> bool:
            nonlocal look, rejections
            look = look_at(context, subject)
            rejections = rejections + 1 if look.is_rejection else 0
            return not look.faults or rejections >= _SURE

        if look.faults and not (context.wait_until(is_decided, context.run.timeouts.proof_s) and not look.faults):
            raise _unproven(context, subject, look)
        if confirms(context, subject):
            progress = _answer(context, subject, _confirmation(context, subject, version_name(context, subject)))
            if progress.last.state != "confirmed":
                raise service_down(progress) or StepBlocked(
                    Cause.INSTALL_WENT_BACK, f"it was not confirmed in time: {progress.last.detail}", went_back=True
                )

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the command that confirms the switch, for the last endpoint of a set of files."""
        yield Remark(f"{subject} is observed on every address until all is well")
        if confirms(state.context, subject):
            yield _confirmation(state.context, subject, preview_version_name(state, subject))


def _confirmation(context: CaseContext, endpoint: str, version: str) -> Command:
    return confirm(context.switch_group(endpoint).file_set, version)


def confirms(context: CaseContext, endpoint: str) -> bool:
    """Return whether an endpoint is the last of its files, whose proof confirms the switch."""
    return context.case.repair in SWITCHED and endpoint == context.switch_group(endpoint).endpoints[-1]


def _unproven(context: CaseContext, endpoint: str, look: Look) -> StepBlocked:
    """Call the switch back, observe again and return what was found; a key that others know does not come back."""
    why = f"{endpoint} is not proven: {sentence(look.faults)}"
    if context.case.repair not in SWITCHED:
        return StepBlocked(Cause.PROOF_FAILED, why)
    back = revert(context.switch_group(endpoint).file_set, version_name(context, endpoint), rejected=look.is_rejection)
    progress = _answer(context, endpoint, back)
    if down := service_down(progress):
        return StepBlocked(Cause.SERVICE_DOWN, f"{down}; before, {why}", went_back=True)
    last = progress.last
    state = f"{last.state} ({last.detail})" if last.state == "kept" else last.state
    told = f"{why}; the switch is {state}, now {served(context, endpoint)}"
    if look.is_rejection:
        return StepBlocked(Cause.PROOF_REJECTED, told, went_back=last.state == "returned")
    return StepBlocked(Cause.PROOF_FAILED, told, went_back=last.state == "returned")


def _answer(context: CaseContext, endpoint: str, command: Command) -> Progress:
    """Return where a switch is after an answer to it, and wait until its script has let go of the host."""
    done(context, command)
    return settled(context, context.switch_group(endpoint))
