"""Prints a dry run: case by case and step by step, the commands on each host and the requests to the issuer."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Final

from audit.text import join_limited, one_line, printable
from remediate.deployment.access import access_lost
from remediate.execution.case_context import CaseContext
from remediate.execution.context import RunContext
from remediate.execution.dry_run import StepPreview, preview_steps
from remediate.execution.due import postponed
from remediate.execution.executor import needs_issuer
from remediate.execution.placeholder import preview_placeholders
from remediate.execution.placeholder_cases import preview_waiting
from remediate.execution.preview import Action, Remark
from remediate.execution.scheduler import execution_order
from remediate.hosts.command import Command
from remediate.hosts.local_command import LocalCommand
from remediate.issuers import PreviewsRequests, Request
from remediate.model.case import Case
from remediate.model.plan import Plan

_WORD: Final = 60  # an argument of at most this many characters is printed whole
_BEGINNING: Final = 24  # of a longer argument, only this many characters are printed
_WIDTH: Final = 120
_COLUMN: Final = 14  # the width of the column with the kind of a step
_SELF_SIGNED: Final = (
    "{}: if no certificate is issued, the panel gives {} a self-signed one, because it has none that is valid now"
)


def dry_run_lines(plan: Plan, run: RunContext, *, verbose: bool = False) -> Iterator[str]:
    """Yield the actions of a run that starts now, and last the number of commands and requests. Nothing is changed.

    With `verbose` each command is printed whole, as a user could type it on its host.
    """
    actions: list[Action] = []
    cases = execution_order(plan.cases, run)
    waiting = {case.id: result for case in cases if (result := postponed(case, run))}
    canary = next((case for case in cases if case.id not in waiting), None)
    for case in cases:
        yield from _head(case, "canary: " if case is canary else "", run)
        if case.id in waiting:
            yield _line("waits", waiting[case.id].note)
        for step in () if case.id in waiting else preview_steps(case, run):
            actions += step.actions
            yield from _step_lines(step, case, run, verbose=verbose)
        for service in () if case.id in waiting else preview_placeholders(CaseContext(case, run)):
            yield _line("placeholder", _SELF_SIGNED.format(case.host, service))
        yield ""
    for waiting_case in plan.waiting:
        yield from _identity(waiting_case.case, "waiting: ")
        yield from (_line("waits", blocker.text) for blocker in waiting_case.blocked_by)
        yield ""
    for case, service in preview_waiting(plan.waiting, run):
        yield _line("placeholder", f"case {case.id} waits; {_SELF_SIGNED.format(case.host, service)}")
    yield from (finding.line for finding in plan.of_unknown_services)
    yield _total(actions)


def _head(case: Case, prefix: str, run: RunContext) -> Iterator[str]:
    yield from _identity(case, prefix)
    hosts = dict.fromkeys((case.host, *(host for validation in case.validated_on for host in validation.hosts)))
    yield _line("only looks", f"on {join_limited(tuple(hosts), 100)} before and after each step; they change nothing")
    yield from (_line("access", lost) for lost in access_lost(case))
    if needs_issuer(case) and not isinstance(run.issuer.client, PreviewsRequests):
        yield _line("issuer", f"the requests to {run.issuer.name} are not known: this issuer has no preview")


def _identity(case: Case, prefix: str) -> Iterator[str]:
    """Yield which case it is, its names, and the names that it drops."""
    yield one_line(f"{prefix}{case.repair} on {case.host} ({case.hostspec}), case {case.id}")
    yield _line("names", join_limited(case.names, 100))
    yield from (_line("left out", f"{dropped.name}: {dropped.why}") for dropped in case.dropped_names)


def _line(label: str, text: str) -> str:
    return f"  {label:<{_COLUMN}}{one_line(text)}".rstrip()


def _step_lines(step: StepPreview, case: Case, run: RunContext, *, verbose: bool) -> Iterator[str]:
    """Yield the lines of a step; only the first line has its kind."""
    entries: list[tuple[str, Iterable[str]]] = []
    for part in step.parts:
        if isinstance(part, Remark):
            entries.append((part.text, ()))
            continue
        actor = part.host if isinstance(part, Command) else run.issuer.name
        entries.append((f"{actor}: {part.why}", _all_lines(part) if verbose else _short(part, case, run)))
    if step.blocked_by:
        entries.append((f"the repair would stop here: {step.blocked_by}", ()))
    for number, (entry, details) in enumerate(entries):
        yield _line("" if number else step.kind, entry)
        yield from details


def _short(action: Action, case: Case, run: RunContext) -> Iterator[str]:
    """Yield a request, or the arguments of a command without the arguments that all commands of the case share."""
    indent = " " * (_COLUMN + 4)
    if isinstance(action, Request):
        yield from (indent + one_line(text) for text in (str(action), action.body) if text)
        return
    if isinstance(action, LocalCommand):
        yield from (indent + one_line(text) for text in (str(action), _input_of(action)) if text)
        return
    common = CaseContext(case, run).workdir_on(action.host).leading_arguments
    arguments = action.arguments[len(common) :] if action.arguments[: len(common)] == common else action.arguments
    line = indent
    for word in map(_quoted, arguments):
        if len(line) + len(word) > _WIDTH and line != indent:
            yield line.rstrip()
            line = indent
        line += f"{word} "
    if arguments:
        yield line.rstrip()


def _input_of(command: LocalCommand) -> str:
    return f"standard input: {command.stdin}" if command.stdin else ""


def _quoted(argument: str) -> str:
    """Return an argument quoted for a shell; of a long argument only its beginning and its length."""
    text = one_line(argument)
    if len(argument) <= _WORD:
        return shlex.quote(text)
    return f"{shlex.quote(text[:_BEGINNING].strip() + '…')} ({len(argument)} characters)"


def _all_lines(action: Action) -> Iterator[str]:
    """Yield the lines of a whole command, as a user could type it, or of a whole request."""
    further = action.body if isinstance(action, Request) else ""
    further = _input_of(action) if isinstance(action, LocalCommand) else further
    text = f"{action}\n{further}"
    yield from (printable(line, kept="\t") for line in text.strip().split("\n"))


def _total(actions: Iterable[Action]) -> str:
    actions = tuple(actions)
    commands = [action for action in actions if isinstance(action, Command)]
    programs = sum(isinstance(action, LocalCommand) for action in actions)
    requests = len(actions) - len(commands) - programs
    hosts = {command.host for command in commands}
    here = f", {_count(programs, 'program')} on this machine" if programs else ""
    return (
        f"nothing was changed; {_count(len(commands), 'command')} on {_count(len(hosts), 'host')}{here}"
        f" and {_count(requests, 'request')} would be made"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
