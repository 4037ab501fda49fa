"""The state of certificate maintenance on a cPanel & WHM server: switches, schedules, contacts, tokens, firewall."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from audit.observation.firewall import Firewall, Token

Matter = Literal["switches", "contacts", "schedules", "tokens", "firewall"]


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of the state that the login could not read, and the message with the missing right."""

    matter: Matter
    why: str


@dataclass(frozen=True, slots=True)
class CpanelState:
    """The state of certificate maintenance on a cPanel & WHM server.

    `switched_off` are the touch files that exist, `contacts` the addresses that failures are reported to, `schedules`
    the lines that run the panel's nightly update or ours, each with its file, `tokens` the files from which a CA
    may have validated the host's name, and `firewall` the rules for connections.
    """

    version: str
    switched_off: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    tokens: tuple[Token, ...] = ()
    firewall: Firewall = field(default_factory=Firewall)
    unread: tuple[Unread, ...] = ()

    def missing(self, matter: Matter) -> tuple[str, ...]:
        """Return one message per value that could not be read in a part of the state."""
        return tuple(unread.why for unread in self.unread if unread.matter == matter)
