"""The interface of a notification channel, and the delivery outcome of each recipient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from audit.config import ConfigSection


@dataclass(frozen=True, slots=True)
class Delivered:
    """A mail server, or the local mail system, accepted the message and is now responsible for it (RFC 5321 4.2.5)."""

    response: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """The message was not accepted, and may be later: an unreachable server, a failed login, greylisting."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The message was not accepted and never will be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The whole message was sent and no response came: it may have been accepted."""

    reason: str


DeliveryOutcome = Delivered | Deferred | Refused | Uncertain


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message as bytes, its sender and its recipients."""

    sender: str
    recipients: tuple[str, ...]
    message: bytes = field(repr=False)


class Channel(Protocol):
    """A way to send messages."""

    def send(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, DeliveryOutcome]:
        """Send a message and return the outcome for each recipient; no failure of the other side raises.

        `commit` is called once, right before the message may have been accepted.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfig:
    """The keys that `[mail]` has for every channel. Each channel adds its own in a subclass."""

    to: tuple[str, ...] = ()
    allowed_domains: tuple[str, ...] = ()  # a host may also report contacts in these domains, beside the host's own
    from_: str | None = None  # `from` in the file
    smtp: str | None = None  # the URL of a mail server, or "sendmail"

    def open(self, section: ConfigSection) -> Channel:
        """Return the channel; raises BadConfiguration."""
        raise NotImplementedError
