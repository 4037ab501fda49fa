"""One host of a run: its session, what was found on it, and what the configuration says of it.

It has a panel and installers, which are built from `hosts`: that is why it is not in that package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from audit.observation import HostView
from audit.observation.website import Docroot
from audit.probe import Target
from audit.services.virtual_hosts import docroot_of, logs_of
from remediate.cpanel.panel import Panel
from remediate.hosts.command import CommandRunner
from remediate.hosts.workdir import ROOT
from remediate.installers import INSTALLERS, Installer

_CPANEL_LOGS: Final = (
    "?/etc/apache2/logs/access_log",
    "?/etc/apache2/logs/access",
    "?/usr/local/apache/logs/access_log",
    "?/usr/local/apache/domlogs/",
)
"""Where cPanel & WHM is documented to log requests; the last is a directory with a file for each name."""


def docroot_on(view: HostView, port: int, name: str) -> Docroot | str:
    """Return the document root of a name at the port of the CA, or a sentence that says why none is known."""
    return docroot_of(view.websites, name, port)


def unknown_docroot(_name: str) -> str:
    """Return why no document root is known on a host that was not inspected."""
    return "the host was not inspected in this run"


def access_logs_on(view: HostView, port: int, name: str) -> tuple[str, ...]:
    """Return the access logs of a name at the port of the CA; a `?` before a path marks a file that may be missing."""
    documented = (f"{log}{name}" if log.endswith("/") else log for log in _CPANEL_LOGS) if view.is_cpanel else ()
    return (*logs_of(view.websites, name, port), *documented)


def no_access_logs(_name: str) -> tuple[str, ...]:
    """Return no log: none is known on a host that was not inspected."""
    return ()


@dataclass(frozen=True, slots=True)
class HostContext:
    """A host of the run. Without a session no command runs on it, and without targets no service was found on it.

    `docroot_of` returns the document root of a name, or a sentence that says why none is known; `access_logs_of` the
    logs that requests for a name are written to.
    """

    label: str
    session: CommandRunner | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)  # by endpoint
    panel: Panel | None = None
    installers: Mapping[str, Installer] = field(default_factory=lambda: INSTALLERS)  # by service
    declared_installers: Mapping[str, Installer] = field(default_factory=dict)  # by service; they come first
    declared_docroots: Mapping[str, str] = field(default_factory=dict)  # by service
    docroot_of: Callable[[str], Docroot | str] = unknown_docroot
    access_logs_of: Callable[[str], tuple[str, ...]] = no_access_logs
    workdir_root: str = ROOT
    excluded: str | None = None  # why nothing is changed on it
    first_address_only: bool = False  # the first address of a name decides the self-test, as in the panel's own script

    @property
    def is_logged_in(self) -> bool:
        """Whether commands can run on it."""
        return self.session is not None

    @property
    def addresses(self) -> frozenset[str]:
        """The addresses that it is known to have."""
        servers = self.servers(self.targets)
        found = ((*server.addresses, *server.configured_addresses) for server in servers)
        return frozenset(address for addresses in found for address in addresses)

    def servers(self, endpoints: Iterable[str]) -> tuple[HostView, ...]:
        """Return what was found behind each of these endpoints."""
        found = (self.targets[endpoint].server for endpoint in endpoints if endpoint in self.targets)
        return tuple(server for server in found if server)

    def service_of(self, endpoint: str) -> str | None:
        """Return the service behind an endpoint, None if it was not found."""
        return next((server.service for server in self.servers((endpoint,))), None)

    def docroot(self, name: str, services: Iterable[str]) -> Docroot | str:
        """Return the document root of a name, or why none is known.

        What is declared for one of these services applies to every name that no website was found for.
        """
        found = self.docroot_of(name) if self.is_logged_in else f"{self.label} is not logged into"
        if not self.is_logged_in or not isinstance(found, str):
            return found
        declared = next(filter(None, map(self.declared_docroots.get, services)), None)
        return Docroot(declared) if declared else found
