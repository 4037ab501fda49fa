"""The progress of a switch from one version to another: the events that were recorded, and the versions in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

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
    """One event of a switch: the time of the host's clock, the version, its state and the reason.

    Besides the states, `gap` records that a service was restarted (its name and for how many seconds it did not
    respond), and `note` a note for the user.
    """

    at: int  # seconds since 1970
    version: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a switch. `holder` names who holds the lock of the host and since when, None if it is free.

    A switch that has not ended holds the lock. If it does not, it was interrupted.
    """

    events: tuple[SwitchEvent, ...] = ()
    live: str | None = None  # the version in use
    proven: str | None = None  # the version that was verified last
    before: str | None = None  # the version that was verified before that
    holder: str | None = None
    now: int = 0  # the host's clock, in seconds since 1970
    rejected: frozenset[str] = frozenset()  # versions that every address rejected
    staged: frozenset[str] = frozenset()  # versions that can be activated

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
        """The services that were restarted since the switch began, and for how many seconds each did not respond."""
        recorded = (event.detail.split() for event in self._since_begun() if event.state == "gap")
        return tuple((words[0], float(words[1])) for words in recorded if len(words) > 1)

    @property
    def switched_at(self) -> int | None:
        """When the last switch had replaced the files; the reloads began then."""
        return next((event.at for event in reversed(self._since_begun()) if event.state == "switched"), None)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes since the switch began."""
        return tuple(dict.fromkeys(event.detail for event in self._since_begun() if event.state == "note"))

    def _since_begun(self) -> tuple[SwitchEvent, ...]:
        begun = max((number for number, event in enumerate(self.events) if event.state == "begun"), default=0)
        return self.events[begun:]
