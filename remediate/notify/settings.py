"""Notification settings: the channels, whose contacts get mail, and which findings are a reason to notify."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from audit.text import one_line
from audit.verdict import Severity
from remediate.notify.channels.base import Channel
from remediate.notify.notification import RunOrigin
from remediate.notify.recipients import ContactPolicy, local_address


@dataclass(frozen=True, slots=True)
class NotificationSettings:
    """Over which channels a run notifies, by the key of their section in the configuration.

    `controller` is the name of the host that audits and repairs, with its domain. `contacts` decides which contacts of
    a host get mail. A finding from the level `fail_on` on fails the run, and is a reason to send a notification;
    `unknown_fails` is whether an inconclusive check is one too. `remarks` are lines about the settings for a person.
    """

    controller: str
    version: str
    channels: Mapping[str, Channel]
    contacts: ContactPolicy = field(default_factory=ContactPolicy)
    fail_on: Severity = Severity.MEDIUM
    unknown_fails: bool = True
    remarks: tuple[str, ...] = ()

    @property
    def default_recipients(self) -> tuple[str, ...]:
        """Who is notified about a host without a contact: root of the controller."""
        return (local_address("root", self.controller),)

    def origin(self, at: datetime) -> RunOrigin:
        """Return the run that a notification comes from."""
        return RunOrigin(at, self.controller, self.version)

    def preview(self) -> Iterator[str]:
        """Yield a line for each channel, for a dry run."""
        for key, channel in self.channels.items():
            yield one_line(f"if there is news, [{key}] notifies: {channel.target}")
