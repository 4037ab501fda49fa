"""The switch: a detached script on the host activates a version, and reverts it unless it is confirmed in time.

The script survives the controller. Its state is a file, and it runs as long as it holds the host's lock. The rename of
one file decides whether the confirmation or the timeout came first. A process that opens certificate and key on either
side of the renames sees a mismatch; docs/repair.md says for how long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from audit.host.trust import TRUST
from remediate.deployment.versions import FileSet
from remediate.hosts import script
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import PROLOGUE
from remediate.installers.base import Installer

SwitchState = Literal[
    "none",  # nothing has been switched here yet
    "begun",
    "switching",  # from here on another version may be in use
    "switched",
    "taken-up",  # by every service
    "waiting",  # for a confirmation
    "confirmed",
    "returning",
    "returned",  # to the version that was verified last
    "broken",  # returned, but a service did not start again
    "refused",  # before anything was changed
    "kept",  # not confirmed, and not reverted: it must not, or cannot be
]
TERMINAL: Final = frozenset({"none", "confirmed", "returned", "broken", "refused", "kept"})


@dataclass(frozen=True, slots=True)
class SwitchEvent:
    """One line that the script recorded: the time of the host's clock, the version, its state and the reason."""

    at: int  # seconds since 1970
    version: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a switch. `holder` names who holds the host's lock and since when, None if it is free."""

    events: tuple[SwitchEvent, ...] = ()
    live: str | None = None
    proven: str | None = None
    before: str | None = None
    holder: str | None = None
    now: int = 0
    rejected: frozenset[str] = frozenset()  # versions that every address rejected

    @property
    def last(self) -> SwitchEvent:
        """The last state that was recorded."""
        states = get_args(SwitchState)
        recorded = (event for event in reversed(self.events) if event.state in states)
        return next(recorded, SwitchEvent(0, "", "none", ""))

    @property
    def is_running(self) -> bool:
        """Whether the switch is not finished and the lock is held."""
        return self.last.state not in TERMINAL and self.holder is not None

    @property
    def gaps(self) -> tuple[tuple[str, float], ...]:
        """The services that were restarted since the switch began, and for how many seconds each did not answer."""
        begun = max((number for number, event in enumerate(self.events) if event.state == "begun"), default=0)
        recorded = (event.detail.split() for event in self.events[begun:] if event.state == "gap")
        return tuple((words[0], float(words[1])) for words in recorded if len(words) > 1)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes since the switch began."""
        begun = max((number for number, event in enumerate(self.events) if event.state == "begun"), default=0)
        return tuple(dict.fromkeys(event.detail for event in self.events[begun:] if event.state == "note"))


def start(
    file_set: FileSet,
    services: Sequence[Installer],
    version: str,
    *,
    confirm_within_s: int,
    returns: bool = True,
) -> Command:
    """Return the command that starts the switch to a version, and returns at once.

    `version` is a name, or `proven` or `before`: the version that was verified last, or the version before that.
    Without a confirmation within `confirm_within_s` (0: none is needed) it is reverted, but never if `returns` is
    false: the old key may be compromised. If a switch is running, it holds the lock and the command ends with BUSY.
    """
    workdir, deployment = file_set.workdir, file_set.deployment
    texts = [_without_shared(text) for service in services for text in _texts(service, workdir.host)]
    library = script("common/prelude") + deployment.script + script("switch/record_state")
    shared = (library, script("services/daemon"), script("switch/run_switch"))
    options = (version, str(confirm_within_s), "yes" if returns else "no", str(len(file_set.targets)))
    body = _LIBRARY + script("switch/keep_current_files", "switch/start_switch")
    why = f"switch {', '.join(service.name for service in services)} to version {version}{deployment.label}"
    return workdir.exclusive(why, body, *shared, file_set.folder_name, *options, *file_set.pairs, *texts)


# A login may pass a script as one argument, at most 128 KiB. The beginning of all services' scripts is sent once.
_LIBRARY: Final = 'library=$1\neval "$library"\n'
_SHARED: Final = (
    (TRUST, 'trust_text=$trust_sh\nunset trust_sh\ntrust_sh=$trust_text\neval "$trust_sh"\n'),
    (script("services/daemon"), 'daemon_text=$daemon_sh\nunset daemon_sh\neval "$daemon_text"\n'),
)
"""Texts that the detached script passes to the script of a service in a variable, and the shell that reads them."""


def _without_shared(text: str) -> str:
    for shared, read in _SHARED:
        text = text.replace(shared, read)
    return text


def _texts(service: Installer, host: str) -> tuple[str, ...]:
    commands = (service.check_config(host), service.reload(host), service.start(host))
    return (service.name, *(command.script for command in commands))


def look(file_set: FileSet) -> Command:
    """Return the command that prints the progress of the switch."""
    body = file_set.deployment.script + script("switch/print_progress", "switch/inspect_switch")
    return file_set.workdir.read_only("read the progress of the switch", body, file_set.folder_name, *file_set.counted)


def confirm(file_set: FileSet, version: str) -> Command:
    """Return the command that confirms a version, waits until that is recorded, and prints the progress."""
    return _answer(file_set, version, "taken")


def revert(file_set: FileSet, version: str, *, rejected: bool = False) -> Command:
    """Return the command that makes a waiting switch revert now, and waits until it has reverted.

    A version that every address `rejected` is marked as such on the host.
    """
    return _answer(file_set, version, "withdrawn", "rejected" if rejected else "")


def _answer(file_set: FileSet, version: str, word: str, mark: str = "") -> Command:
    workdir = file_set.workdir
    why = f"confirm version {version}" if word == "taken" else f"revert version {version}"
    arguments = (*workdir.given, file_set.folder_name, version, word, mark, *file_set.counted)
    body = file_set.deployment.script + script(
        "switch/print_progress", "switch/record_state", "switch/confirm_or_revert"
    )
    return Command(workdir.host, why, PROLOGUE + body, arguments)


def read_progress(done: CommandResult) -> Progress:
    """Parse what `look`, `confirm` and `revert` print; an empty output gives an empty progress."""
    words = [line.partition(" ")[::2] for line in done.output.splitlines()]
    values = dict(words)
    return Progress(
        tuple(_events(rest for word, rest in words if word == "state")),
        values.get("live") or None,
        values.get("proven") or None,
        values.get("before") or None,
        None if values.get("lock", "free") == "free" else values["lock"],
        int(values["now"]) if values.get("now", "").isdigit() else 0,
        frozenset(rest for word, rest in words if word == "rejected"),
    )


def _events(lines: Iterable[str]) -> Iterator[SwitchEvent]:
    for line in lines:
        match = re.fullmatch(r"(?P<at>\d+) (?P<version>\S+) (?P<state>\S+) (?P<detail>.*)", line)
        if match:
            yield SwitchEvent(int(match["at"]), match["version"], match["state"], match["detail"])
