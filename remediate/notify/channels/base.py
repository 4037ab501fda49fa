"""The interface of a notification channel, the delivery outcome of each recipient, and the interface of a mail system.

A channel is one file beside this and one row in the table of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from audit.config import ConfigSection
from audit.redaction import Secrets
from remediate.notify.notification import Notification


@dataclass(frozen=True, slots=True)
class Delivered:
    """The other side accepted the message and is now responsible for it (RFC 5321 4.2.5)."""

    response: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """The message was not accepted, and may be later: an unreachable server, a failed login, greylisting.

    A channel whose recipients recognize a repeat returns it as well if the message may have been accepted.
    `retry_after_s` is how long the server requests us to wait.
    """

    reason: str
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The message was not accepted and never will be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The whole message was sent and no response came: it may have been accepted, and is not sent again."""

    reason: str


DeliveryOutcome = Delivered | Deferred | Refused | Uncertain


class HoldsSecret(ValueError):
    """A message that was not rendered because it would hold a secret; says where and of which kind, never which."""


class Channel(Protocol):
    """A way to send notifications."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """The recipients of whole runs; empty if the contacts of each host get what is about their host."""

    @property
    def target(self) -> str:
        """Where notifications are sent to, in a few words without a secret."""

    def render(self, notification: Notification, recipients: tuple[str, ...]) -> bytes:
        """Return the message to queue; raises HoldsSecret, and ValueError if there can be none."""

    def send(
        self, message: bytes, recipients: tuple[str, ...], commit: Callable[[], None]
    ) -> Mapping[str, DeliveryOutcome]:
        """Send a message and return the outcome for each recipient; no failure of the other side raises.

        `commit` is called right before the message may have been accepted: then it is not sent again if the process
        ends before there is an outcome. A channel whose recipients recognize a repeat never calls it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """The keys that `[notify.NAME]` has for every kind. Each kind adds its own in a subclass."""

    kind: str  # the kind of channel

    def open(self, section: ConfigSection, secrets: Secrets) -> Channel:
        """Return the channel; raises BadConfiguration. No message may hold one of the secrets."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Envelope:
    """An email as bytes, its sender and its recipients."""

    sender: str
    recipients: tuple[str, ...]
    message: bytes = field(repr=False)


class MailSystem(Protocol):
    """What emails are given to: a mail server, or the local mail system."""

    @property
    def name(self) -> str:
        """Its name in a line for a person."""

    def send(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, DeliveryOutcome]:
        """Send an email and return the outcome for each recipient, as `Channel.send` does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfig:
    """The keys that `[mail]` has for every mail system. Each mail system adds its own in a subclass."""

    to: tuple[str, ...] = ()  # addresses of recipients; without them the host's own contact
    allowed_domains: tuple[str, ...] = ()  # a host may also report contacts in these domains, beside the host's own
    from_: str | None = None  # address of the sender; `from` in the file
    smtp: str | None = None  # the URL of a mail server, or "sendmail"

    def open(self, section: ConfigSection) -> MailSystem:
        """Return the mail system; raises BadConfiguration."""
        raise NotImplementedError
