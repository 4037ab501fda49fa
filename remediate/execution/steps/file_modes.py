"""The step `modes`: only owner and group can read a key, and only its owner can write it.

The step restores the modes if an endpoint does not respond with the new ones. It does not change the owner and group
of a file; it reports them if they are not those of the service. Its failure does not stop another repair.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from audit.analysis.key_files import exposures
from audit.observation import InstalledFile
from audit.text import join_clauses, join_limited
from remediate.execution.case_context import CaseContext
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.base import Satisfied, StepBlocked, require_success
from remediate.execution.steps.wire_check import silences
from remediate.hosts import script
from remediate.hosts.command import Command
from remediate.model.causes import Cause

_REMOVED: Final = 0o027


class FileModes:
    """Restores the modes in the plan if necessary, so that a later run after a crash restores the same modes."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return Satisfied if no other user can read or write a key, and every endpoint responds."""
        del subject  # it is for the whole case
        command = context.workdir.read_only(
            "check who can read the keys", script("key/find_open_keys"), *_keys(context)
        )
        if require_success(context, command).output.strip() or _silences(context):
            return None
        if ownership := tuple(_ownership_faults(context)):
            raise StepBlocked(
                Cause.MODES_OWNER, f"no other user can read or write the keys, but {join_clauses(ownership)}"
            )
        return Satisfied(f"only owner and group can read {join_limited(sorted(_keys(context)))}")

    def apply(self, context: CaseContext, subject: str) -> None:
        """Remove the rights of other users on the keys; restore them if an endpoint does not respond then."""
        del subject
        keys = _keys(context)
        require_success(context, close_command(context))
        if silent := _silences(context):
            pairs = (word for path, mode in keys.items() for word in (path, mode))
            require_success(
                context, context.workdir.exclusive("restore the modes of the keys", script("key/set_modes"), *pairs)
            )
            raise StepBlocked(
                Cause.MODES_NEEDED,
                f"the modes were restored because an endpoint did not respond: {join_clauses(silent)}",
            )

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the command that removes the rights of other users on the keys."""
        del subject
        yield close_command(state.context)


class AddressesRespond:
    """The step `proof` of a repair that changes no certificate: every address of the endpoint completes a handshake."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return Satisfied if every address completes a handshake."""
        return None if silences(context, subject) else Satisfied("every address responds")

    def apply(self, context: CaseContext, subject: str) -> None:
        """Wait until every address completes a handshake."""
        context.wait_until(lambda: not silences(context, subject), context.run.timeouts.proof_s)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield no action: the endpoint is only observed."""
        del state
        yield Remark(f"{subject} is observed until every address responds")


def close_command(context: CaseContext) -> Command:
    """Return the command that removes the rights of other users on the keys."""
    pairs = (word for path in _keys(context) for word in (path, "closed"))
    return context.workdir.exclusive("close the keys to others", script("key/set_modes"), *pairs)


def _keys(context: CaseContext) -> dict[str, str]:
    """Return the paths of the key files with their modes at the time of the plan."""
    return {file.path: file.mode for file in context.case.files if file.kind == "key" and file.mode}


def _ownership_faults(context: CaseContext) -> Iterator[str]:
    """Yield who, besides root and the service, has rights on a key through its owner or group."""
    for file in context.case.files:
        if file.kind == "key" and file.mode and file.owner:
            mode = int(file.mode, 8) & ~_REMOVED
            closed = InstalledFile(file.path, "key", owner=file.owner, group=file.group, mode=mode)
            judge = partial(exposures, closed, file.service)
            yield from (f"{file.path}: {exposure}" for exposure, _ in context.run.policy.faults(judge))


def _silences(context: CaseContext) -> tuple[str, ...]:
    return tuple(silence for endpoint in context.case.endpoints for silence in silences(context, endpoint))
