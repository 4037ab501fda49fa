"""The step `reload`: a service has taken up the files that it is to use.

It knows the switch on the host, which goes back by itself, and the reload of a service that has the right files
already. What is served then is the next step's to see.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audit.text import sentence
from remediate.deployment.switch import TERMINAL, Progress, look, read_progress, start
from remediate.execution.case_context import CaseContext, SwitchGroup
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.base import Satisfied, StepBlocked, done, interruption, said
from remediate.execution.steps.stage import preview_version_name, version_name
from remediate.execution.steps.wire_check import faults_of
from remediate.hosts.command import Command
from remediate.hosts.workdir import BUSY
from remediate.model.causes import Cause

_CONDITION: Final = "only if it does not serve what is in its files by then"


class Switch:
    """A new version is switched to; the first service of a set of files does it for all of it."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return that the new version is in use and every service has taken it up."""
        name = version_name(context, subject)
        progress = settled(context, context.switch_group(subject))
        is_held = progress.last.state == "waiting" and progress.is_running
        if progress.live != name or not (is_held or progress.last.state == "confirmed"):
            return None
        away = "".join(f"; {service} was away for {seconds:g} s" for service, seconds in progress.gaps)
        return Satisfied(sentence((f"version {name} is in use{away}", *progress.notes)))

    def apply(self, context: CaseContext, subject: str) -> None:
        """Start the switch and wait until every service has taken it up."""
        one, name = context.switch_group(subject), version_name(context, subject)
        if name in settled(context, one).rejected:
            raise StepBlocked(
                Cause.INSTALL_REJECTED, f"every address has rejected version {name} before: it is not tried again"
            )
        done(context, switching(context, one, name))
        progress = settled(context, one)
        if progress.last.state not in ("waiting", "confirmed"):
            raise _not_taken_up(progress)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the command that starts the switch, for the first service of a set of files."""
        one = state.context.switch_group(subject)
        if one.file_set.folder not in state.activated:
            state.activated.add(one.file_set.folder)
            yield switching(state.context, one, preview_version_name(state, subject))


def switching(context: CaseContext, one: SwitchGroup, name: str) -> Command:
    """Return the command that starts the switch of some files to a version."""
    services = [context.installer(service) for service in one.services]
    confirm_within_s, returns = context.run.timeouts.confirmation_s, not context.case.is_compromised
    return start(one.file_set, services, name, confirm_within_s=confirm_within_s, returns=returns)


def _not_taken_up(progress: Progress) -> StepBlocked:
    """Return why a switch did not come to wait for its confirmation."""
    last = progress.last
    why = f"the switch is {last.state}: {last.detail or 'nothing more is known'}"
    if last.state not in TERMINAL:
        return StepBlocked(Cause.INSTALL_INTERRUPTED, why, ended="interrupted")
    if down := service_down(progress):
        return down
    return StepBlocked(Cause.INSTALL_NOT_TAKEN_UP, why, went_back=last.state in ("returned", "refused"))


def service_down(progress: Progress) -> StepBlocked | None:
    """Return that a service did not come up again when its old files were back, if that is so."""
    if progress.last.state != "broken":
        return None
    why = f"the old files are in place again, but a service did not come up with them: {progress.last.detail}"
    return StepBlocked(Cause.SERVICE_DOWN, why, went_back=True)


class Reload:
    """The files are right already: the service is told to read them."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return that every endpoint of the service serves what is in its files."""
        return None if _faults(context, subject) else Satisfied("it serves what is in its files")

    def apply(self, context: CaseContext, subject: str) -> None:
        """Test its configuration, let it read its files, and start it again where it has ended."""
        installer, host = context.installer(subject), context.case.host
        done(context, installer.check_config(host))
        result = context.execute(taking_up(context, subject))
        if result.status in (None, BUSY):
            raise interruption(context, result)
        if not result.ok:
            done(context, _alone(context, installer.start(host)))
            raise StepBlocked(Cause.SERVICE_NOT_RELOADED, f"{subject} has ended and was started again: {said(result)}")
        faults: tuple[str, ...] = ()

        def is_well() -> bool:
            nonlocal faults
            faults = _faults(context, subject)
            return not faults

        if not context.wait_until(is_well, context.run.timeouts.proof_s):
            raise StepBlocked(Cause.PROOF_FAILED, f"{subject} has read its files, and {sentence(faults)}")

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the reload."""
        yield taking_up(state.context, subject)
        yield Remark(_CONDITION)


def _faults(context: CaseContext, service: str) -> tuple[str, ...]:
    """Return what is not as it is to be at the first endpoint of a service where something is not."""
    mine = (one for one in context.case.endpoints if context.serves(one) == service)
    return next((faults for endpoint in mine if (faults := faults_of(context, endpoint))), ())


def taking_up(context: CaseContext, service: str) -> Command:
    """Return the command that lets a service read its files."""
    return _alone(context, context.installer(service).reload(context.case.host))


def settled(context: CaseContext, one: SwitchGroup) -> Progress:
    """Return where the switch of some files is, once it waits or has come to its end."""
    progress = _progress(context, one)

    def is_settled() -> bool:
        nonlocal progress
        progress = _progress(context, one)
        return progress.last.state == "waiting" or not progress.is_running

    if progress.is_running and progress.last.state != "waiting":
        context.wait_until(is_settled, context.run.timeouts.taken_up_s)
    return progress


def _progress(context: CaseContext, one: SwitchGroup) -> Progress:
    return read_progress(done(context, look(one.file_set)))


def _alone(context: CaseContext, command: Command) -> Command:
    """Return a command that has the host's lock while it runs, and whose children do not."""
    return context.workdir.exclusive(command.why, 'sh -c "$1" 9>&-\n', command.script, timeout_s=command.timeout_s)
