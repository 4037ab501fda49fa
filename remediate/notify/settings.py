"""Notification settings: recipients, sender, channel, and the secrets that no notification may hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from audit.host.cpanel import is_address
from audit.redaction import Secrets
from audit.verdict import Severity
from remediate.notify.channels.base import Channel
from remediate.notify.notification import RunOrigin
from remediate.notify.recipients import ContactPolicy


@dataclass(frozen=True, slots=True)
class NotificationSettings:
    """Who is notified, by whom and over which channel. If `to` is empty, each host's own contacts are notified.

    `controller` is the name of the host that audits and repairs, with its domain. `secrets` are those of the
    configuration. `contacts` decides which contacts of a host get mail. A finding from the level `fail_on` on fails the
    run, and is a reason to send a notification; `unknown_fails` is whether an inconclusive check is one too.
    """

    controller: str
    version: str
    channel: Channel
    to: tuple[str, ...] = ()
    from_: str | None = None
    secrets: Secrets = field(default_factory=Secrets)
    contacts: ContactPolicy = field(default_factory=ContactPolicy)
    fail_on: Severity = Severity.MEDIUM
    unknown_fails: bool = True

    @property
    def recipients(self) -> tuple[str, ...]:
        """The configured addresses that mail can be sent to."""
        return tuple(dict.fromkeys(address for address in self.to if is_address(address)))

    @property
    def unusable(self) -> tuple[str, ...]:
        """The configured texts that are not mail addresses."""
        return tuple(address for address in (*self.to, *filter(None, [self.from_])) if not is_address(address))

    @property
    def sender(self) -> str:
        """The configured sender, else the user `sslaudit` of the controller."""
        return self.from_ if self.from_ and is_address(self.from_) else self._local("sslaudit")

    @property
    def default_recipients(self) -> tuple[str, ...]:
        """Who is notified about a host without a contact: root of the controller."""
        return (self._local("root"),)

    def origin(self, at: datetime) -> RunOrigin:
        """Return the run that a notification comes from."""
        return RunOrigin(at, self.controller, self.version)

    def _local(self, user: str) -> str:
        address = f"{user}@{self.controller}"
        return address if is_address(address) else f"{user}@localhost"
