"""The table of installers. To add one, add a file here and a row in the table. Others come from entry points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from audit.config import BadConfiguration, Configuration
from audit.config.extensions import ExtensionKind, find_member, instance_of
from remediate.hosts.command import Command
from remediate.installers import apache, dovecot, exim, haproxy, nginx, postfix, proftpd, pure_ftpd, vsftpd
from remediate.installers.base import Installer
from remediate.installers.custom import CustomInstaller
from remediate.installers.daemon import Daemon

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


def configured_installers(configuration: Configuration) -> Mapping[str, Installer]:
    """Return the built-in installers and those that `[extensions]` names, by service; raises BadConfiguration."""
    place = f"{configuration.file or 'configuration'}: [extensions] installers"
    installers = dict[str, Installer]()
    for name in configuration.extensions.installers:
        installers[name] = find_member(ExtensionKind.INSTALLER, name, INSTALLERS, _with_shell(name), place=place)
        if name in INSTALLERS:
            raise BadConfiguration(f"{place}: {name!r} is built in and always used. Remove it from the list.")
    with_reload = (service.name for service in configuration.service if service.reload)
    reloaded = next((name for name in with_reload if name in installers), "")
    if reloaded:
        raise BadConfiguration(f"{place}: [[service]] {reloaded!r} has a reload command. Remove that or the installer.")
    return {**INSTALLERS, **installers}


def _with_shell(name: str) -> Callable[[Any], Installer]:
    """Return the function that requires an installer whose commands can be made."""
    of_installer = instance_of(Installer, name)  # type: ignore[type-abstract]  # a protocol is checked by its methods

    def require(value: object) -> Installer:
        installer = of_installer(value)
        for command in (installer.check_config, installer.reload, installer.start):
            if not isinstance(command("host"), Command):
                raise TypeError(f"{command.__name__} does not return a Command (docs/extending.md)")
        return installer

    return require


__all__ = ["INSTALLERS", "Command", "CustomInstaller", "Daemon", "Installer", "configured_installers"]
