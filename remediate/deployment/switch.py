"""The switch: a detached script on the host brings a version into use, and goes back unless it is confirmed in time.

It outlives the controller. Its state is a file; it runs as long as it holds the host's lock. The rename of one file
decides whether a confirmation or the end of its patience comes first. A process that opens certificate and key on
either side of the renames sees a mismatch: docs/repair.md says for how long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from audit.host.trust import TRUST
from remediate.deployment.versions import Installation
from remediate.hosts import script
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import PROLOGUE
from remediate.installers.base import Installer

State = Literal[
    "none",  # nothing was switched here yet
    "begun",
    "switching",  # from here on another version may be in use
    "switched",
    "taken-up",  # by every service
    "waiting",  # for a confirmation
    "confirmed",
    "returning",
    "returned",  # to the version that was proven last
    "broken",  # returned, and a service did not come up again
    "refused",  # before anything was touched
    "kept",  # not confirmed, and told never to go back, or without a way back
]
TERMINAL: Final = frozenset({"none", "confirmed", "returned", "broken", "refused", "kept"})


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of what the script noted: when by the host's clock, of which version, what and why."""

    at: int  # seconds since 1970
    version: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a switch is. `holder` is who has the host's lock and since when, None where it is free."""

    moments: tuple[Moment, ...] = ()
    live: str | None = None
    proven: str | None = None
    before: str | None = None
    holder: str | None = None
    now: int = 0
    rejected: frozenset[str] = frozenset()  # versions that every address rejected

    @property
    def last(self) -> Moment:
        """The last state that was noted."""
        states = get_args(State)
        found = (moment for moment in reversed(self.moments) if moment.state in states)
        return next(found, Moment(0, "", "none", ""))

    @property
    def is_running(self) -> bool:
        """Whether the script still has something to do and somebody holds the lock."""
        return self.last.state not in TERMINAL and self.holder is not None

    @property
    def was_interrupted(self) -> bool:
        """Whether the script ended before its end: to start it again is right."""
        return self.last.state not in TERMINAL and self.holder is None

    @property
    def gaps(self) -> tuple[tuple[str, float], ...]:
        """The services that had to be restarted since the switch began, and for how many seconds each was away."""
        begun = max((number for number, moment in enumerate(self.moments) if moment.state == "begun"), default=0)
        found = (moment.detail.split() for moment in self.moments[begun:] if moment.state == "gap")
        return tuple((words[0], float(words[1])) for words in found if len(words) > 1)

    @property
    def notes(self) -> tuple[str, ...]:
        """What else there was to tell since the switch began."""
        begun = max((number for number, moment in enumerate(self.moments) if moment.state == "begun"), default=0)
        return tuple(dict.fromkeys(moment.detail for moment in self.moments[begun:] if moment.state == "note"))


def start(
    installation: Installation,
    services: Sequence[Installer],
    version: str,
    *,
    confirm_within_s: int,
    returns: bool = True,
) -> Command:
    """Return the command that starts the switch to a version, and returns at once.

    `version` is a name, or `proven` or `before`: what was proven last, and what before that. Without a confirmation
    within `confirm_within_s` (0: none is needed) it goes back; not if `returns` is false, as when the old key is known
    to others. A script that runs already holds the lock: then this ends with BUSY.
    """
    workdir, deployment = installation.workdir, installation.deployment
    texts = [_without_shared(text) for service in services for text in _texts(service, workdir.host)]
    own = installation.folder.rpartition("/")[2]
    library = script("prelude") + deployment.script + script("record")
    shared = (library, script("daemon"), script("switch_detached"))
    options = (version, str(confirm_within_s), "yes" if returns else "no", str(len(installation.placements)))
    body = _LIBRARY + script("adopt", "switch_start")
    why = f"switch {', '.join(one.name for one in services)} to version {version}{deployment.how}"
    return workdir.exclusive(why, body, *shared, own, *options, *installation.pairs, *texts)


# A login may take a script as one argument, of 128 KiB at most: what all services' scripts begin with is sent once.
_LIBRARY: Final = 'library=$1\neval "$library"\n'
_SHARED: Final = (
    (TRUST, 'trust_text=$trust_sh\nunset trust_sh\ntrust_sh=$trust_text\neval "$trust_sh"\n'),
    (script("daemon"), 'daemon_text=$daemon_sh\nunset daemon_sh\neval "$daemon_text"\n'),
)
"""Texts that the detached script gives to each service's script by an environment variable, and how they are read."""


def _without_shared(text: str) -> str:
    for shared, read in _SHARED:
        text = text.replace(shared, read)
    return text


def _texts(service: Installer, host: str) -> tuple[str, ...]:
    commands = (service.check_config(host), service.reload(host), service.start(host))
    return (service.name, *(command.script for command in commands))


def look(installation: Installation) -> Command:
    """Return the command that tells where the switch is."""
    own = installation.folder.rpartition("/")[2]
    body = installation.deployment.script + script("switch_look", "look")
    return installation.workdir.read_only("look where the switch is", body, own, *installation.counted)


def confirm(installation: Installation, version: str) -> Command:
    """Return the command that confirms a version and waits until that is noted; what it prints is for read_progress."""
    return _answer(installation, version, "taken")


def revert(installation: Installation, version: str, *, rejected: bool = False) -> Command:
    """Return the command that lets a waiting script go back now, and waits until it has.

    Of a version that every address `rejected` the host keeps a mark.
    """
    return _answer(installation, version, "withdrawn", "rejected" if rejected else "")


def _answer(installation: Installation, version: str, word: str, mark: str = "") -> Command:
    workdir = installation.workdir
    own = installation.folder.rpartition("/")[2]
    why = f"confirm version {version}" if word == "taken" else f"call version {version} back"
    given = (*workdir.given, own, version, word, mark, *installation.counted)
    body = installation.deployment.script + script("switch_look", "record", "switch_answer")
    return Command(workdir.host, why, PROLOGUE + body, given)


def read_progress(done: CommandResult) -> Progress:
    """Return what `look`, `confirm` and `revert` print; of a host that printed nothing nothing is known."""
    words = [line.partition(" ")[::2] for line in done.output.splitlines()]
    said = dict(words)
    return Progress(
        tuple(_moments(rest for word, rest in words if word == "state")),
        said.get("live") or None,
        said.get("proven") or None,
        said.get("before") or None,
        None if said.get("lock", "free") == "free" else said["lock"],
        int(said["now"]) if said.get("now", "").isdigit() else 0,
        frozenset(rest for word, rest in words if word == "rejected"),
    )


def _moments(lines: Iterable[str]) -> Iterator[Moment]:
    for line in lines:
        match = re.fullmatch(r"(?P<at>\d+) (?P<version>\S+) (?P<state>\S+) (?P<detail>.*)", line)
        if match:
            yield Moment(int(match["at"]), match["version"], match["state"], match["detail"])
