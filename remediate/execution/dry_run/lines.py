"""A rehearsal as lines for a person: case by case, step by step, where what would be run and who would be asked.

It decides nothing, and writes nowhere.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Final

from audit.text import listing, one_line
from remediate.deployment.access import access_lost
from remediate.execution.case_context import CaseContext
from remediate.execution.context import RunContext
from remediate.execution.dry_run.scenes import Scene, scenes
from remediate.execution.dry_run.stage import Action
from remediate.execution.executor import asks_issuer
from remediate.execution.placeholder import foretold
from remediate.execution.placeholder_cases import foretold_for
from remediate.execution.scheduler import not_due, turns
from remediate.hosts.command import Command
from remediate.issuers import Foretelling
from remediate.issuers.base import Request
from remediate.model.case import SWITCHED, Case
from remediate.model.plan import Plan

_WORD: Final = 60  # characters of an argument that is shown whole
_BEGINNING: Final = 24  # of a longer one
_WIDTH: Final = 120
_COLUMN: Final = 14  # for a step's kind
_LOOKS: Final = {
    "self-test": "the proof is then fetched from every address of each name, as the CA will",
    "fetch": "certificates of its CAs are looked for on the host, and where they are published",
    "proof": "{} is observed on every address until all is well",
}
_PLACEHOLDER: Final = "{}: where none is had, the panel gives {} a self-signed one: it has none that is valid now"
_CONDITION: Final = "only where it does not serve what is in its files by then"


def rehearsal_lines(plan: Plan, means: RunContext, *, verbose: bool = False) -> Iterator[str]:
    """Yield what a run would do now, and lastly how much that is; nothing is done.

    With `verbose` every command stands there whole, as it could be typed on its host.
    """
    made: list[Action] = []
    cases = turns(plan.cases, means)
    waiting = {case.id: early for case in cases if (early := not_due(case, means))}
    canary = next((case for case in cases if case.id not in waiting), None)
    for case in cases:
        yield from _head(case, "canary: " if case is canary else "", means)
        if case.id in waiting:
            yield _line("waits", waiting[case.id].note)
        for scene in () if case.id in waiting else scenes(case, means):
            made += scene.actions
            yield from _scene_lines(scene, case, means, verbose=verbose)
        for service in () if case.id in waiting else foretold(CaseContext(case, means)):
            yield _line("placeholder", _PLACEHOLDER.format(case.host, service))
        yield ""
    for case, service in foretold_for(plan.waiting, means):
        yield _line("placeholder", f"case {case.id} waits; {_PLACEHOLDER.format(case.host, service)}")
    yield _total(made)


def _head(case: Case, prefix: str, means: RunContext) -> Iterator[str]:
    yield one_line(f"{prefix}{case.repair} on {case.host} ({case.hostspec}), case {case.id}")
    hosts = dict.fromkeys((case.host, *(host for one in case.validated_on for host in one.hosts)))
    yield _line("names", listing(case.names, 100))
    yield _line("only looks", f"on {listing(tuple(hosts), 100)} before and after each step; they change nothing")
    yield from (_line("access", lost) for lost in access_lost(case))
    if asks_issuer(case) and not isinstance(means.issuer, Foretelling):
        yield _line("issuer", f"what {means.issuer_name} is asked cannot be told before: it does not foretell it")


def _line(what: str, text: str) -> str:
    return f"  {what:<{_COLUMN}}{one_line(text)}".rstrip()


def _scene_lines(scene: Scene, case: Case, means: RunContext, *, verbose: bool) -> Iterator[str]:
    """Yield a step, where it would do or wait for anything: its kind stands once, before the first."""
    kind, subject = scene.part.kind, scene.part.subject
    entries: list[tuple[str, Iterable[str]]] = []
    for action in scene.actions:
        where = action.host if isinstance(action, Command) else means.issuer_name
        entries.append((f"{where}: {action.why}", _whole(action) if verbose else _short(action, case, means)))
    if kind == "reload" and case.repair not in SWITCHED:
        entries.append((_CONDITION, ()))
    if kind in _LOOKS:
        entries.insert(0 if kind == "proof" else len(entries), (_LOOKS[kind].format(subject), ()))
    if scene.note:
        entries.append((f"it would end here: {scene.note}", ()))
    for number, (entry, below) in enumerate(entries):
        yield _line("" if number else kind, entry)
        yield from below


def _short(action: Action, case: Case, means: RunContext) -> Iterator[str]:
    """Yield a request, or of a command what it is given beside what all of them are."""
    indent = " " * (_COLUMN + 4)
    if isinstance(action, Request):
        yield from (indent + one_line(one) for one in (str(action), action.body) if one)
        return
    everywhere = CaseContext(case, means).premises_on(action.host).given
    own = action.arguments[len(everywhere) :] if action.arguments[: len(everywhere)] == everywhere else action.arguments
    line = indent
    for word in map(_word, own):
        if len(line) + len(word) > _WIDTH and line != indent:
            yield line.rstrip()
            line = indent
        line += f"{word} "
    if own:
        yield line.rstrip()


def _word(argument: str) -> str:
    """Return an argument as it would be typed, of a long one its beginning."""
    text = one_line(argument)
    if len(argument) <= _WORD:
        return shlex.quote(text)
    return f"{shlex.quote(text[:_BEGINNING].strip() + '…')} ({len(argument)} characters)"


def _whole(action: Action) -> Iterator[str]:
    """Yield a command as it could be typed, or a request."""
    text = f"{action}\n{action.body}" if isinstance(action, Request) else str(action)
    for line in text.strip().split("\n"):
        yield "".join(
            letter if letter.isprintable() or letter == "\t" else "\N{REPLACEMENT CHARACTER}" for letter in line
        )


def _total(made: Iterable[Action]) -> str:
    commands = [action for action in made if isinstance(action, Command)]
    requests = [action for action in made if isinstance(action, Request)]
    hosts = {command.host for command in commands}
    return (
        f"nothing was changed; {_count(len(commands), 'command')} on {_count(len(hosts), 'host')}"
        f" and {_count(len(requests), 'request')} would be made"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
