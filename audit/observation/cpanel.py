"""How a panel's server keeps its certificates up, as it says itself: what is switched off, run nightly, and to whom.

Values alone: it judges nothing and reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from audit.observation.firewall import Firewall

Matter = Literal["switches", "contacts", "schedules", "tokens", "firewall"]


@dataclass(frozen=True, slots=True)
class Token:
    """A file in the folder that a CA fetches proofs from."""

    path: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Unread:
    """What the login could not read, and which right is missing, in a clause."""

    matter: Matter
    why: str


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What a cPanel & WHM server says of how it keeps its certificates up.

    `switched_off` are the touch files that are there, `contacts` who is told, `schedules` the lines that run the
    panel's nightly update or ours, each with its file, `firewall` the rules that a connection to it meets.
    """

    version: str
    switched_off: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    tokens: tuple[Token, ...] = ()
    firewall: Firewall = field(default_factory=Firewall)
    unread: tuple[Unread, ...] = ()

    def missing(self, matter: Matter) -> tuple[str, ...]:
        """Return what could not be read of a matter, in a clause each."""
        return tuple(one.why for one in self.unread if one.matter == matter)
