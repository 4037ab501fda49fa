"""The installers we know: a table of one row each. A new one is one file beside this and one row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remediate.installers import apache, dovecot, exim, nginx, postfix, proftpd, pure_ftpd, vsftpd
from remediate.installers.base import Installer
from remediate.installers.custom import Declared

INSTALLERS: Final[Mapping[str, Installer]] = {
    installer.name: installer
    for installer in (
        nginx.INSTALLER,
        apache.INSTALLER,
        dovecot.INSTALLER,
        exim.INSTALLER,
        postfix.INSTALLER,
        pure_ftpd.INSTALLER,
        vsftpd.INSTALLER,
        proftpd.INSTALLER,
    )
}
"""What brings a service to use its files, by the name that discovery gives the service."""

__all__ = ["INSTALLERS", "Declared", "Installer"]
