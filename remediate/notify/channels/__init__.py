"""The ways to hand letters over that the configuration names: a mail server, or the local mail system.

It knows `[mail]`; it refuses to know a password before it is needed, and connects nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from audit.config.schema import Mail
from remediate.notify.channels.base import Post
from remediate.notify.channels.sendmail import Sendmail
from remediate.notify.channels.smtp import Smtp, read_relay

_LOCAL: Final = "sendmail"


def is_asked(mail: Mail) -> bool:
    """Tell whether letters are wanted at all: without `[mail]`, or with nothing in it, nobody is written to."""
    return mail != Mail()


def posts_of(mail: Mail, password: Callable[[], str] | None) -> tuple[Post, ...]:
    """Return the ways to send that `[mail]` names, the local mail system where it names none; raises BadRelay.

    `password` reads the password when a server asks for it, None where none is configured; `ca_file` is a path by now.
    There is never a second way beside the one that was named: it might lead over a network in the clear.
    """
    if not is_asked(mail):
        return ()
    if mail.smtp in (None, _LOCAL):
        return (Sendmail(),)
    return (Smtp(read_relay(str(mail.smtp), user=mail.user, password=password, ca_file=mail.ca_file)),)
