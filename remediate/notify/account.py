"""Notification settings: recipients, sender, channels, and the secrets that no notification may hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from audit.host.cpanel import is_address
from audit.redaction import Secrets
from audit.verdict import Severity
from remediate.notify.channels.base import Channel
from remediate.notify.channels.email_message import Run
from remediate.notify.recipients import ContactPolicy


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a run gives account. `to` is empty where each host's own administrator is told.

    `controller` is the name of the host that audits and repairs, with its domain. `secrets` are what the configuration
    holds; `contacts` decides which contacts of a host get mail. `fail_on` is the level from which a finding fails the
    run, and so is a reason to write; `unknown_fails` is whether an inconclusive check is one too.
    """

    controller: str
    version: str
    posts: tuple[Channel, ...]
    to: tuple[str, ...] = ()
    from_: str | None = None
    secrets: Secrets = field(default_factory=Secrets)
    contacts: ContactPolicy = field(default_factory=ContactPolicy)
    fail_on: Severity = Severity.MEDIUM
    unknown_fails: bool = True

    @property
    def readers(self) -> tuple[str, ...]:
        """The configured addresses that can be written to."""
        return tuple(dict.fromkeys(one for one in self.to if is_address(one)))

    @property
    def unusable(self) -> tuple[str, ...]:
        """The configured addresses that are none."""
        return tuple(one for one in (*self.to, *filter(None, [self.from_])) if not is_address(one))

    @property
    def sender(self) -> str:
        """Who writes: what is configured, else `sslaudit` of the host that audits."""
        return self.from_ if self.from_ and is_address(self.from_) else self._local("sslaudit")

    @property
    def otherwise(self) -> tuple[str, ...]:
        """Who is told about a host that names nobody: root of the host that audits."""
        return (self._local("root"),)

    def run(self, at: datetime) -> Run:
        """Return what a letter says of the run it comes from."""
        return Run(at, self.controller, self.version)

    def _local(self, user: str) -> str:
        address = f"{user}@{self.controller}"
        return address if is_address(address) else f"{user}@localhost"
