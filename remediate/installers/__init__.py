"""The table of installers. To add one, add a file here and a row in the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remediate.installers import apache, dovecot, exim, haproxy, nginx, postfix, proftpd, pure_ftpd, vsftpd
from remediate.installers.base import Installer
from remediate.installers.custom import CustomInstaller

INSTALLERS: Final[Mapping[str, Installer]] = {
    installer.name: installer
    for installer in (
        nginx.INSTALLER,
        apache.INSTALLER,
        haproxy.INSTALLER,
        dovecot.INSTALLER,
        exim.INSTALLER,
        postfix.INSTALLER,
        pure_ftpd.INSTALLER,
        vsftpd.INSTALLER,
        proftpd.INSTALLER,
    )
}
"""The installers, by the name that discovery gives the service."""

__all__ = ["INSTALLERS", "CustomInstaller", "Installer"]
