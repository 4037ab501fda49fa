"""The channel of `[mail]`: composes emails, and gives them to a mail server or the local mail system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import SMTP

from audit.host.cpanel import is_address
from audit.redaction import Secrets
from audit.text import join_limited
from remediate.notify.channels.base import DeliveryOutcome, Envelope, MailSystem
from remediate.notify.channels.email_message import compose
from remediate.notify.notification import Notification
from remediate.notify.recipients import local_address


@dataclass(frozen=True, slots=True)
class Mail:
    """Emails by one mail system. `controller` is the host that sends them. No email may hold one of the secrets.

    If `to` has no usable address, the contacts of each host are notified.
    """

    mail_system: MailSystem
    controller: str
    to: tuple[str, ...] = ()
    from_: str | None = None
    secrets: Secrets = field(default_factory=Secrets)

    @property
    def recipients(self) -> tuple[str, ...]:
        """The configured addresses that mail can be sent to."""
        return tuple(dict.fromkeys(address for address in self.to if is_address(address)))

    @property
    def remarks(self) -> tuple[str, ...]:
        """A line for a person about each configured text that is not a mail address."""
        written = (*self.to, *filter(None, [self.from_]))
        return tuple(f"{text!r} in [mail] is not a mail address" for text in written if not is_address(text))

    @property
    def sender(self) -> str:
        """The configured sender, else the user `sslaudit` of the controller."""
        return self.from_ if self.from_ and is_address(self.from_) else local_address("sslaudit", self.controller)

    @property
    def target(self) -> str:
        """The recipients and the mail system."""
        return f"email to {join_limited(self.recipients) or 'the contacts of each host'} by {self.mail_system.name}"

    def render(self, notification: Notification, recipients: tuple[str, ...]) -> bytes:
        """Return the email; its header names the recipients."""
        return compose(notification, self.sender, recipients, secrets=self.secrets).as_bytes()

    def send(
        self, message: bytes, recipients: tuple[str, ...], commit: Callable[[], None]
    ) -> Mapping[str, DeliveryOutcome]:
        """Give an email to the mail system, from the sender in its header."""
        header = message_from_bytes(message, policy=SMTP)
        return self.mail_system.send(Envelope(header["From"].addresses[0].addr_spec, recipients, message), commit)
