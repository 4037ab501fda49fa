"""The step `modes`: nobody but its owner and group can read a key, and none but its owner can write it.

It knows what is taken away and when it is given back: a service that reads its key as somebody else would no longer
answer. Owner and group of a file are its administrator's: where they are not the service's, that is told. Beside
another repair it holds nothing up: what it cannot do is told once that is proven.
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
from remediate.execution.steps.base import Satisfied, StepBlocked, done
from remediate.execution.steps.wire_check import silences
from remediate.hosts import script
from remediate.hosts.command import Command
from remediate.model.causes import Cause

_TAKEN: Final = 0o027


class Modes:
    """The modes to give back are those of the plan, so that a killed run gives back the same."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return that no key is open to others and every endpoint answers."""
        del subject  # it is for the whole case
        command = context.workdir.read_only("look who can read the keys", script("modes_look"), *_keys(context))
        if done(context, command).output.strip() or _silences(context):
            return None
        if strange := tuple(_strange(context)):
            raise StepBlocked(Cause.MODES_OWNER, f"nobody else can read or write the keys, but {sentence(strange)}")
        return Satisfied(f"only owner and group can read {listing(sorted(_keys(context)))}")

    def apply(self, context: CaseContext, subject: str) -> None:
        """Take from others what they can do with the keys; where an endpoint does not answer then, give it back."""
        del subject
        keys = _keys(context)
        done(context, closing(context))
        if silent := _silences(context):
            before = (word for path, mode in keys.items() for word in (path, mode))
            done(context, context.workdir.exclusive("give the keys their modes back", script("modes_set"), *before))
            raise StepBlocked(Cause.MODES_NEEDED, f"the modes are as before, as not all answers: {sentence(silent)}")

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the command that closes the keys."""
        del subject
        yield closing(state.context)


class Answers:
    """The proof of a repair that changes no certificate: every address of the endpoint still shakes hands."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return that all of them do."""
        return None if silences(context, subject) else Satisfied("it answers on every address")

    def apply(self, context: CaseContext, subject: str) -> None:
        """Wait for it."""
        context.wait_until(lambda: not silences(context, subject), context.run.timeouts.proof_s)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield no action: the endpoint is only observed."""
        del state
        yield Remark(f"{subject} is observed until it answers on every address")


def closing(context: CaseContext) -> Command:
    """Return the command that takes from others what they can do with the keys."""
    closed = (word for path in _keys(context) for word in (path, "closed"))
    return context.workdir.exclusive("close the keys to others", script("modes_set"), *closed)


def _keys(context: CaseContext) -> dict[str, str]:
    """Return the key files with the modes they had when the case was planned."""
    return {file.path: file.mode for file in context.case.files if file.kind == "key" and file.mode}


def _strange(context: CaseContext) -> Iterator[str]:
    """Yield who can do with a key what only root and the service should, whatever its mode."""
    for file in context.case.files:
        if file.kind == "key" and file.mode and file.owner:
            mode = int(file.mode, 8) & ~_TAKEN
            closed = InstalledFile(file.path, "key", owner=file.owner, group=file.group, mode=mode)
            judge = partial(exposures, closed, file.service)
            yield from (f"{file.path}: {each}" for each, _ in context.run.policy.each(judge))


def _silences(context: CaseContext) -> tuple[str, ...]:
    return tuple(silence for endpoint in context.case.endpoints for silence in silences(context, endpoint))
