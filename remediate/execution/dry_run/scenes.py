"""The scenes of a rehearsal: the steps of a case in their order, each with the commands and requests it would make.

It knows how far a repair would come; what a step would do is known beside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal

from remediate.execution.case_context import NotFoundOnHost
from remediate.execution.context import RunContext
from remediate.execution.dry_run import placeholders
from remediate.execution.dry_run.foretold import foretell, withdrawal
from remediate.execution.dry_run.stage import Action, Stage, staged
from remediate.execution.executor import destroying, phases, require_possible, tidying
from remediate.execution.steps import StepBlocked
from remediate.model.case import EACH, Case, StepKind


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a repair: a step by its kind and subject, or what is done at its end."""

    kind: StepKind | Literal["", "end"]
    subject: str = ""


LAST: Final = Part("end")
"""What is done once all endpoints are proven."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A part and what it would run and ask for; `note` says why it would not be taken to its end, nor any after it."""

    part: Part
    actions: tuple[Action, ...]
    note: str = ""


def rehearse(case: Case, means: RunContext) -> Iterator[Action]:
    """Yield what a repair would run that changes something, and what it would ask the issuer, in its order.

    Nothing is run and nobody is asked. Each step is taken to succeed; what only the repair will make stands in angle
    brackets.
    """
    for scene in scenes(case, means):
        yield from scene.actions


def scenes(case: Case, means: RunContext) -> Iterator[Scene]:
    """Yield the steps of a repair; after one that could not be taken to its end comes none."""
    try:
        stage = staged(case, means)
        require_possible(stage.site)
        acts = tuple(_acts(stage))
    except (StepBlocked, NotFoundOnHost) as why:
        yield Scene(Part(""), (), str(why))
        return
    for part, actions in acts:
        scene = _played(stage, part, actions)
        yield scene
        if scene.note:
            yield from _failed(stage, part)
            return


def _acts(stage: Stage) -> Iterator[tuple[Part, Iterator[Action]]]:
    """Yield each step that is walked, with what it would do; raises Unknown."""
    for phase in phases(stage.site):
        if any(step.state != "done" for step in phase):
            yield from ((Part(step.kind, step.subject), foretell(stage, step)) for step in phase)
    yield LAST, chain(destroying(stage.site, lambda _: placeholders.BEFORE), tidying(stage.site))


def _failed(stage: Stage, part: Part) -> Iterator[Scene]:
    """Yield what is done about a step that cannot be taken: before a service is touched the proof is taken away."""
    if stage.knows_request and part.kind not in EACH:
        yield _played(stage, LAST, withdrawal(stage))


def _played(stage: Stage, part: Part, actions: Iterator[Action]) -> Scene:
    """Return a step as far as it would come."""
    come: list[Action] = []
    try:
        for action in actions:
            come.append(placeholders.explained(action, stage.site.premises))  # noqa: PERF401 - what came counts, whatever ends it
    except (StepBlocked, NotFoundOnHost) as why:
        return Scene(part, tuple(come), str(why))
    return Scene(part, tuple(come))
