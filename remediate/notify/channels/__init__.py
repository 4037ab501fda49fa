"""The channels that send notifications: a mail server, or the local mail system.

There is never a second channel beside the configured one, because it might send unencrypted over a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from audit.config import ConfigSection
from remediate.notify.channels.base import MailConfig
from remediate.notify.channels.sendmail import SendmailConfig
from remediate.notify.channels.smtp import SmtpConfig

CHANNELS: Final[Mapping[str, type[MailConfig]]] = {
    "sendmail": SendmailConfig,
    "smtp": SmtpConfig,
}
"""The keys of `[mail]` for each channel, by its name."""

_SERVER_KEYS: Final = ("user", "password", "ca_file")


def read_mail(section: ConfigSection) -> MailConfig | None:
    """Return the decoded `[mail]`, None if it is absent or empty: then no notification is sent.

    Raises BadConfiguration. The channel is the local mail system unless `smtp` is the URL of a server.
    """
    named = section.table.get("smtp") if isinstance(section.table, dict) else None
    is_local = named in (None, "sendmail")
    if is_local and (key := next((key for key in _SERVER_KEYS if key in section.table), None)):
        raise section.bad(f'the key {key!r} is used only with a server; write smtp = "smtp://HOST:PORT"')
    read = section.decode(CHANNELS["sendmail" if is_local else "smtp"])
    return None if read == type(read)() else read
