"""One host of a run: its session, its inspected endpoints, and its part of the configuration.

It is not in the package `hosts`, because the panel and the installers that it refers to import that package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from audit.observation import HostView
from audit.observation.website import Docroot
from audit.probe import Target
from audit.services.virtual_hosts import docroot_of, logs_of
from remediate.cpanel.panel import Panel
from remediate.deployment import DEPLOYMENTS, Deployment
from remediate.hosts.command import CommandRunner
from remediate.hosts.workdir import ROOT
from remediate.installers import INSTALLERS, Installer

_CPANEL_LOGS: Final = (
    "?/etc/apache2/logs/access_log",
    "?/etc/apache2/logs/access",
    "?/usr/local/apache/logs/access_log",
    "?/usr/local/apache/domlogs/",
)
"""The logs of requests in the documentation of cPanel & WHM; the last is a directory with one file per name."""


def docroot_on(view: HostView, port: int, name: str) -> Docroot | str:
    """Return the document root of a name at the port of the CA, or a sentence that says why it is unknown."""
    return docroot_of(view.websites, name, port)


def unknown_docroot(_name: str) -> str:
    """Return why the document root is unknown on a host that was not inspected."""
    return "the host was not inspected in this run"


def access_logs_on(view: HostView, port: int, name: str) -> tuple[str, ...]:
    """Return the access logs of a name at the port of the CA; a `?` before a path marks a file that may be missing."""
    documented = (f"{log}{name}" if log.endswith("/") else log for log in _CPANEL_LOGS) if view.is_cpanel else ()
    return (*logs_of(view.websites, name, port), *documented)


def no_access_logs(_name: str) -> tuple[str, ...]:
    """Return no log, because the logs of a host that was not inspected are unknown."""
    return ()


@dataclass(frozen=True, slots=True)
class HostContext:
    """A host of the run. Without a session no command runs on it, and without targets no service was found on it.

    `docroot_of` returns the document root of a name, or a sentence that says why it is unknown. `access_logs_of`
    returns the logs to which the requests for a name are written.
    """

    label: str
    session: CommandRunner | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)  # by endpoint
    panel: Panel | None = None
    installers: Mapping[str, Installer] = field(default_factory=lambda: INSTALLERS)  # by service
    deployment_kinds: tuple[Callable[[Panel | None], Deployment | None], ...] = DEPLOYMENTS
    declared_installers: Mapping[str, Installer] = field(default_factory=dict)  # by service; they override the others
    declared_docroots: Mapping[str, str] = field(default_factory=dict)  # by service
    docroot_of: Callable[[str], Docroot | str] = unknown_docroot
    access_logs_of: Callable[[str], tuple[str, ...]] = no_access_logs
    workdir_root: str = ROOT
    excluded: str | None = None  # why nothing may be changed on it
    first_address_only: bool = False  # the first address of a name decides the self-test, as in the panel's own script

    @property
    def is_logged_in(self) -> bool:
        """Whether commands can run on this host."""
        return self.session is not None

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """The deployments that this host has; the first that locates the files of a certificate deploys them."""
        return tuple(filter(None, (on_host(self.panel) for on_host in self.deployment_kinds)))

    @property
    def addresses(self) -> frozenset[str]:
        """The known addresses of this host."""
        servers = self.servers(self.targets)
        return frozenset(chain.from_iterable((*server.addresses, *server.configured_addresses) for server in servers))

    def servers(self, endpoints: Iterable[str]) -> tuple[HostView, ...]:
        """Return the servers that were found behind these endpoints."""
        servers = (self.targets[endpoint].server for endpoint in endpoints if endpoint in self.targets)
        return tuple(server for server in servers if server)

    def service_of(self, endpoint: str) -> str | None:
        """Return the service behind an endpoint; None if it was not found."""
        return next((server.service for server in self.servers((endpoint,))), None)

    def docroot(self, name: str, services: Iterable[str]) -> Docroot | str:
        """Return the document root of a name, or why it is unknown.

        The document root that is declared for one of these services applies to every name without a website.
        """
        if not self.is_logged_in:
            return f"{self.label} is not logged into"
        docroot = self.docroot_of(name)
        if not isinstance(docroot, str):
            return docroot
        declared = next(filter(None, map(self.declared_docroots.get, services)), None)
        return Docroot(declared) if declared else docroot
