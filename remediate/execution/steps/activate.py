"""The step `reload`: a service uses the right files.

Either a script on the host switches to a new version, and reverts the switch by itself unless it is confirmed; or a
service that has the right files already is reloaded. The step `proof` then checks what is served.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audit.text import join_clauses
from remediate.deployment.progress import TERMINAL, Progress
from remediate.deployment.replace import restore_interrupted
from remediate.execution.case_context import CaseContext, SwitchGroup
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.base import (
    Satisfied,
    StepBlocked,
    interruption,
    output_tail,
    query_result,
    require_success,
)
from remediate.execution.steps.stage import preview_version_name, version_name
from remediate.execution.steps.wire_check import faults_of
from remediate.hosts.command import Command
from remediate.hosts.workdir import BUSY
from remediate.installers import Daemon, Installer
from remediate.model.case import SWITCHED
from remediate.model.causes import Cause

_CONDITION: Final = "only if it does not serve the certificate in its files by then"


class Activate:
    """Switches to a new version; for the first service of a switch group it switches all services of the group."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return Satisfied if the new version is in use and every service has reloaded."""
        name = version_name(context, subject)
        progress = settled_progress(context, context.switch_group(subject))
        is_held = progress.last.state == "waiting" and progress.is_running
        if progress.live != name or not (is_held or progress.last.state == "confirmed"):
            return None
        gaps = "".join(f"; {service} did not respond for {seconds:g} s" for service, seconds in progress.gaps)
        return Satisfied(join_clauses((f"version {name} is in use{gaps}", *progress.notes)))

    def apply(self, context: CaseContext, subject: str) -> None:
        """Start the switch and wait until every service has reloaded."""
        switch_group, name = context.switch_group(subject), version_name(context, subject)
        if name in settled_progress(context, switch_group).rejected:
            raise StepBlocked(
                Cause.INSTALL_REJECTED, f"every address rejected version {name} before, so it is not tried again"
            )
        require_success(context, switch_command(context, switch_group, name))
        progress = settled_progress(context, switch_group)
        if progress.last.state not in ("waiting", "confirmed"):
            raise _not_taken_up(progress)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the command that starts the switch, for the first service of a switch group."""
        switch_group = state.context.switch_group(subject)
        if switch_group.file_set not in state.activated:
            state.activated.add(switch_group.file_set)
            yield switch_command(state.context, switch_group, preview_version_name(state, subject))


def switch_command(context: CaseContext, switch_group: SwitchGroup, name: str) -> Command:
    """Return the command that starts the switch of a file set to a version; a compromised key is never restored."""
    installers = [context.installer(service) for service in switch_group.services]
    return switch_group.deployment.activate(
        switch_group.file_set, installers, name,
        confirm_within_s=context.run.timeouts.confirmation_s, returns=not context.case.is_compromised,
    )  # fmt: skip


def _not_taken_up(progress: Progress) -> StepBlocked:
    """Return why a switch is not waiting for its confirmation."""
    last = progress.last
    why = f"the switch is {last.state}: {last.detail or 'no reason was reported'}"
    if last.state not in TERMINAL:
        return StepBlocked(Cause.INSTALL_INTERRUPTED, why, ended="interrupted")
    if down := service_down(progress):
        return down
    return StepBlocked(Cause.INSTALL_NOT_TAKEN_UP, why, went_back=last.state in ("returned", "refused"))


def service_down(progress: Progress) -> StepBlocked | None:
    """Return a message if a service did not start again with its old files; else None."""
    if progress.last.state != "broken":
        return None
    why = f"the old files are in place again, but a service did not start with them: {progress.last.detail}"
    return StepBlocked(Cause.SERVICE_DOWN, why, went_back=True)


class Reload:
    """Reloads a service that has the right files already."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return Satisfied if every endpoint of the service serves the certificate in its files."""
        return None if _faults(context, subject) else Satisfied("it serves the certificate in its files")

    def apply(self, context: CaseContext, subject: str) -> None:
        """Check the configuration of the service and reload it; if the service has ended, start it."""
        installer, host = context.installer(subject), context.case.host
        require_success(context, installer.check_config(host))
        start = start_command(context, installer)
        result = context.execute(reload_command(context, subject))
        if result.status in (None, BUSY):
            raise interruption(context, result)
        if not result.ok:
            require_success(context, _locked(context, start))
            raise StepBlocked(
                Cause.SERVICE_NOT_RELOADED,
                f"{subject} ended at its reload and was started again: {output_tail(result)}",
            )
        faults: tuple[str, ...] = ()

        def is_well() -> bool:
            nonlocal faults
            faults = _faults(context, subject)
            return not faults

        if not context.wait_until(is_well, context.run.timeouts.proof_s):
            raise StepBlocked(Cause.PROOF_FAILED, f"{subject} was reloaded, but {join_clauses(faults)}")

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the reload."""
        yield reload_command(state.context, subject)
        yield Remark(_CONDITION)


def _faults(context: CaseContext, service: str) -> tuple[str, ...]:
    """Return the faults of the first endpoint of a service that has any."""
    endpoints = (endpoint for endpoint in context.case.endpoints if context.serves(endpoint) == service)
    return next((faults for endpoint in endpoints if (faults := faults_of(context, endpoint))), ())


def start_command(context: CaseContext, installer: Installer) -> Command:
    """Return the command that starts again what serves now: the same units of systemd, not others of the program."""
    host = context.case.host
    if not isinstance(installer, Daemon):
        return installer.start(host)
    units = query_result(context, installer.units(host))
    return installer.start(host, units)


def reload_command(context: CaseContext, service: str) -> Command:
    """Return the command that reloads a service."""
    return _locked(context, context.installer(service).reload(context.case.host))


def settled_progress(context: CaseContext, switch_group: SwitchGroup) -> Progress:
    """Return the progress of a switch once it waits for confirmation or has ended."""
    progress = Progress()

    def is_settled() -> bool:
        nonlocal progress
        progress = _progress(context, switch_group)
        return progress.last.state == "waiting" or not progress.is_running

    context.wait_until(is_settled, context.run.timeouts.taken_up_s)
    return progress


def restored_after_crash(context: CaseContext) -> str:
    """Restore the files of before and start the units that served, if the host crashed in the middle of a switch.

    Services that do not run are not found, so the case cannot be continued before they run again. Return what was done;
    nothing if there was nothing to restore or start. The next run continues the case.
    """
    if context.case.repair not in SWITCHED or not context.host.is_logged_in:
        return ""
    if not any(step.kind == "reload" and step.state != "planned" for step in context.case.steps):
        return ""
    query = restore_interrupted(context.workdir)
    done = query.parse(context.execute(query.command))
    if not any(line.startswith(("restored ", "started ")) for line in done):
        return ""
    return f"a crash of the host interrupted the switch, and services did not run: {join_clauses(done)}"


def _progress(context: CaseContext, switch_group: SwitchGroup) -> Progress:
    return query_result(context, switch_group.deployment.status(switch_group.file_set))


def _locked(context: CaseContext, command: Command) -> Command:
    """Return the command under the lock of the host; the children of the command do not hold the lock."""
    words = (command.script, *(("sslaudit", *command.arguments) if command.arguments else ()))
    return context.workdir.exclusive(command.why, 'sh -c "$@" 9>&-\n', *words, timeout_s=command.timeout_s)
