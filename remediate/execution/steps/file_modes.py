"""The step `modes`: only owner and group can read a key, and only its owner can write it.

Rights are given back if an endpoint does not answer without them. Owner and group of a file are not changed: if they
are not the service's, that is reported. Beside another repair a failure of this step stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from audit.analysis.key_files import exposures
from audit.observation import InstalledFile
from audit.text import listing, sentence
from remediate.execution.case_context import CaseContext
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.base import Satisfied, StepBlocked, require_success
from remediate.execution.steps.wire_check import silences
from remediate.hosts import script
from remediate.hosts.command import Command
from remediate.model.causes import Cause

_TAKEN: Final = 0o027


class FileModes:
    """Restores the modes of the plan if it has to, so that a killed run restores the same ones."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return that no other user can read or write a key, and every endpoint answers."""
        del subject  # it is for the whole case
        command = context.workdir.read_only("look who can read the keys", script("modes_look"), *_keys(context))
        if require_success(context, command).output.strip() or _silences(context):
            return None
        if strange := tuple(_strange(context)):
            raise StepBlocked(Cause.MODES_OWNER, f"no other user can read or write the keys, but {sentence(strange)}")
        return Satisfied(f"only owner and group can read {listing(sorted(_keys(context)))}")

    def apply(self, context: CaseContext, subject: str) -> None:
        """Remove the rights of other users on the keys; restore them if an endpoint does not answer then."""
        del subject
        keys = _keys(context)
        require_success(context, close_command(context))
        if silent := _silences(context):
            before = (word for path, mode in keys.items() for word in (path, mode))
            require_success(
                context, context.workdir.exclusive("give the keys their modes back", script("modes_set"), *before)
            )
            raise StepBlocked(
                Cause.MODES_NEEDED, f"the modes were restored because an endpoint did not answer: {sentence(silent)}"
            )

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the command that closes the keys."""
        del subject
        yield close_command(state.context)


class StillAnswers:
    """The step `proof` of a repair that changes no certificate: every address of the endpoint completes a handshake."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return that all of them do."""
        return None if silences(context, subject) else Satisfied("it answers on every address")

    def apply(self, context: CaseContext, subject: str) -> None:
        """Wait until all of them do."""
        context.wait_until(lambda: not silences(context, subject), context.run.timeouts.proof_s)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield no action: the endpoint is only observed."""
        del state
        yield Remark(f"{subject} is observed until it answers on every address")


def close_command(context: CaseContext) -> Command:
    """Return the command that removes the rights of other users on the keys."""
    closed = (word for path in _keys(context) for word in (path, "closed"))
    return context.workdir.exclusive("close the keys to others", script("modes_set"), *closed)


def _keys(context: CaseContext) -> dict[str, str]:
    """Return the key files with the modes they had when the case was planned."""
    return {file.path: file.mode for file in context.case.files if file.kind == "key" and file.mode}


def _strange(context: CaseContext) -> Iterator[str]:
    """Yield who, besides root and the service, has rights on a key through its owner or group."""
    for file in context.case.files:
        if file.kind == "key" and file.mode and file.owner:
            mode = int(file.mode, 8) & ~_TAKEN
            closed = InstalledFile(file.path, "key", owner=file.owner, group=file.group, mode=mode)
            judge = partial(exposures, closed, file.service)
            yield from (f"{file.path}: {each}" for each, _ in context.run.policy.each(judge))


def _silences(context: CaseContext) -> tuple[str, ...]:
    return tuple(silence for endpoint in context.case.endpoints for silence in silences(context, endpoint))
