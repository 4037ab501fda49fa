"""What every way to hand a letter over offers, and what can become of a letter: an outcome for each recipient.

It knows no way itself; it refuses to know what is written, and when it is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from audit.config import Section


@dataclass(frozen=True, slots=True)
class Delivered:
    """A server, or the local mail system, has taken it and is now responsible for it (RFC 5321 4.2.5)."""

    answer: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """It was not taken, and may be another time: an unreachable server, a wrong login, greylisting."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not taken and never will be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It was sent to its end and no answer came: it may have been taken."""

    reason: str


Outcome = Delivered | Deferred | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Envelope:
    """A whole message as bytes, who sends it and who is to have it."""

    sender: str
    recipients: tuple[str, ...]
    message: bytes = field(repr=False)


class Channel(Protocol):
    """A way to hand letters over."""

    def send(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, Outcome]:
        """Hand a letter over; return what became of it for each recipient, and raise nothing for what others do.

        `commit` is called once, right before the moment after which the letter may have been taken.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfig:
    """The keys that `[mail]` has for every channel. Each channel adds its own in a subclass."""

    to: tuple[str, ...] = ()
    allowed_domains: tuple[str, ...] = ()  # to which a contact that a host reports may belong, beside the host's own
    from_: str | None = None  # `from` in the file
    smtp: str | None = None  # the URL of a mail server, or "sendmail"

    def open(self, section: Section) -> Channel:
        """Return the channel; raises BadConfiguration."""
        raise NotImplementedError
