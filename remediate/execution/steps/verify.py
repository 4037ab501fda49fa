"""The step `proof`: every address of an endpoint serves the new leaf with a valid path, and the switch is confirmed.

It confirms or reverts a switch, and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audit.text import join_clauses
from remediate.deployment.progress import Progress
from remediate.execution.case_context import CaseContext
from remediate.execution.failed_reload import look_up_failed_reload
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.activate import service_down, settled_progress
from remediate.execution.steps.base import Satisfied, StepBlocked, require_success
from remediate.execution.steps.stage import preview_version_name, version_name
from remediate.execution.steps.wire_check import WireResult, faults_of, observe_endpoint, served
from remediate.hosts.command import Command
from remediate.model.case import SWITCHED
from remediate.model.causes import Cause

_MAX_REJECTIONS: Final = 4
"""The run stops waiting if every address rejects the new version in this many consecutive observations."""


class Verify:
    """Verifies an endpoint; after the last endpoint of a switch group was verified, it confirms the switch."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return Satisfied if the endpoint is verified and, for the last of its switch group, the switch confirmed."""
        if (
            confirms(context, subject)
            and settled_progress(context, context.switch_group(subject)).last.state != "confirmed"
        ):
            return None
        return None if faults_of(context, subject) else Satisfied("verified at every address")

    def apply(self, context: CaseContext, subject: str) -> None:
        """Observe until no address has a fault and confirm; else revert the switch and report what is served."""
        result, rejections = observe_endpoint(context, subject), 0

        def is_decided() -> bool:
            nonlocal result, rejections
            result = observe_endpoint(context, subject)
            rejections = rejections + 1 if result.is_rejection else 0
            return not result.faults or rejections >= _MAX_REJECTIONS

        if result.faults and not (context.wait_until(is_decided, context.run.timeouts.proof_s) and not result.faults):
            raise _unproven(context, subject, result)
        if confirms(context, subject):
            progress = _decide(context, subject, _confirmation(context, subject, version_name(context, subject)))
            if progress.last.state != "confirmed":
                raise service_down(progress) or StepBlocked(
                    Cause.INSTALL_WENT_BACK,
                    f"the switch was not confirmed in time: {progress.last.detail}",
                    went_back=True,
                )

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the command that confirms the switch, for the last endpoint of a switch group."""
        yield Remark(f"{subject} is observed until no address has a fault")
        if confirms(state.context, subject):
            yield _confirmation(state.context, subject, preview_version_name(state, subject))


def _confirmation(context: CaseContext, endpoint: str, version: str) -> Command:
    group = context.switch_group(endpoint)
    return group.deployment.confirm(group.file_set, version)


def confirms(context: CaseContext, endpoint: str) -> bool:
    """Return whether an endpoint is the last of its switch group, so that its verification confirms the switch."""
    return context.case.repair in SWITCHED and endpoint == context.switch_group(endpoint).endpoints[-1]


def _unproven(context: CaseContext, endpoint: str, result: WireResult) -> StepBlocked:
    """Revert the switch, observe again and return the faults and their cause; a compromised key is never restored."""
    why = f"{endpoint} failed verification: {join_clauses(result.faults)}"
    if context.case.repair not in SWITCHED:
        return StepBlocked(Cause.PROOF_FAILED, why)
    group, version = context.switch_group(endpoint), version_name(context, endpoint)
    failed = look_up_failed_reload(context, endpoint, settled_progress(context, group).switched_at)
    progress = _decide(
        context, endpoint, group.deployment.revert(group.file_set, version, rejected=result.is_rejection)
    )
    if down := service_down(progress):
        return StepBlocked(Cause.SERVICE_DOWN, f"{down}; before, {why}", went_back=True)
    last = progress.last
    state = f"{last.state} ({last.detail})" if last.state == "kept" else last.state
    text = "\n".join((f"{why}; the switch is {state}, now {served(context, endpoint)}", *failed.lines))
    if result.is_rejection:
        return StepBlocked(Cause.PROOF_REJECTED, text, went_back=last.state == "returned")
    return StepBlocked(failed.cause, text, went_back=last.state == "returned")


def _decide(context: CaseContext, endpoint: str, command: Command) -> Progress:
    """Confirm or revert a switch, wait until its script has released the host, and return its progress."""
    require_success(context, command)
    return settled_progress(context, context.switch_group(endpoint))
