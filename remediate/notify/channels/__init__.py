"""The channels that send notifications: email, and a table of other kinds with one row each.

Emails have one mail system, the configured one. If it fails, no other mail system is tried, because that might send
unencrypted over a network. Other channels send beside it, each by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from audit.config import ConfigSection
from audit.config.extensions import ExtensionKind, decode_kind
from remediate.notify.channels.base import (
    Channel,
    ChannelConfig,
    Deferred,
    Delivered,
    DeliveryOutcome,
    HoldsSecret,
    MailConfig,
    Refused,
    Uncertain,
)
from remediate.notify.channels.sendmail import SendmailConfig
from remediate.notify.channels.smtp import SmtpConfig
from remediate.notify.channels.webhook import WebhookConfig
from remediate.notify.notification import Notification

CHANNELS: Final[Mapping[str, type[ChannelConfig]]] = {
    "webhook": WebhookConfig,
}
"""The keys of `[notify.NAME]`, by its `kind`."""

MAIL_SYSTEMS: Final[Mapping[str, type[MailConfig]]] = {
    "sendmail": SendmailConfig,
    "smtp": SmtpConfig,
}
"""The keys of `[mail]` for each mail system, by its name."""

_SERVER_KEYS: Final = ("user", "password", "ca_file")


def read_mail(section: ConfigSection) -> MailConfig | None:
    """Return the decoded `[mail]`, None if it is absent or empty: then no email is sent.

    Raises BadConfiguration. Emails go to the local mail system unless `smtp` is the URL of a server.
    """
    written = section.table.get("smtp") if isinstance(section.table, dict) else None
    is_local = written in (None, "sendmail")
    if is_local and (key := next((key for key in _SERVER_KEYS if key in section.table), None)):
        raise section.bad(f'the key {key!r} is used only with a server; write smtp = "smtp://HOST:PORT"')
    mail = section.decode(MAIL_SYSTEMS["sendmail" if is_local else "smtp"])
    return None if mail == type(mail)() else mail


def read_channel(section: ConfigSection) -> ChannelConfig:
    """Return the decoded section `[notify.NAME]`; raises BadConfiguration."""
    return decode_kind(section, ExtensionKind.CHANNEL, CHANNELS, ChannelConfig)


__all__ = [
    "CHANNELS",
    "MAIL_SYSTEMS",
    "Channel",
    "ChannelConfig",
    "Deferred",
    "Delivered",
    "DeliveryOutcome",
    "HoldsSecret",
    "Notification",
    "Refused",
    "Uncertain",
    "read_channel",
    "read_mail",
]
