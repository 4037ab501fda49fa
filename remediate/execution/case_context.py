"""A case that runs: what its steps use, the results that they share, and the files that are switched together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from audit.observation import HostView, InstalledFile
from audit.probe import Target
from audit.probe.deadline import Deadline
from audit.text import join_limited
from audit.x509.certificate import Certificate
from remediate.challenges import ChallengeDirectory, SolverAction
from remediate.cpanel.panel import Panel
from remediate.deployment import Deployment, NotDeployable
from remediate.deployment.versions import FileSet, original_path
from remediate.execution.context import ConfiguredIssuer, RunContext
from remediate.execution.host_context import HostContext
from remediate.hosts.command import CommandResult
from remediate.hosts.workdir import HostWorkdir
from remediate.installers import Installer
from remediate.issuers import Order
from remediate.model.authorization import Challenge
from remediate.model.case import SWITCHED, Case
from remediate.pki.csr import Csr
from remediate.pki.issued_chain import InstallableChain
from remediate.state.orders import OrderStore


@dataclass(frozen=True, slots=True)
class SwitchGroup:
    """Files that are switched together, the services that load them, and the endpoints that serve their certificate."""

    services: tuple[str, ...]
    endpoints: tuple[str, ...]
    deployment: Deployment
    file_set: FileSet
    files: tuple[InstalledFile, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A challenge that is a file, and where it is written."""

    challenge: Challenge
    where: ChallengeDirectory


class NotFoundOnHost(LookupError):
    """A service, file or endpoint of a case was not found on its host in this run; the message names it."""


@dataclass(slots=True)
class CaseContext:
    """A case that runs. It keeps the results of a step for the next steps; the next run determines them again."""

    case: Case
    run: RunContext
    csr: Csr | None = None
    installable: InstallableChain | None = None
    chained: dict[FileSet, InstallableChain] = field(default_factory=dict)
    on_disk: Mapping[str, Certificate] | None = None  # the leaf in each file, as last read
    order: Order | None = None  # as last returned by an issuer that cannot find it by its CSR
    is_published: bool = False
    presented: set[Challenge] = field(default_factory=set)  # in this run, and accepted; they came with the order
    is_collected: bool = False
    left_behind: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()  # notes of self-tests that are not part of their results
    request_lines: tuple[str, ...] = ()  # requests for the challenge file, from access logs
    _switch_groups: tuple[SwitchGroup, ...] | None = None

    @property
    def workdir(self) -> HostWorkdir:
        """The work directory of the case on its host."""
        return self.workdir_on(self.case.host)

    def workdir_on(self, host: str) -> HostWorkdir:
        """Return the work directory of the case on a host of the run."""
        return HostWorkdir(host, self.case.id, self.run.lock_holder, self.run.host(host).workdir_root)

    @property
    def host(self) -> HostContext:
        """The host of the case."""
        return self.run.host(self.case.host)

    @property
    def servers(self) -> tuple[HostView, ...]:
        """The servers that were found behind the endpoints of the case."""
        return self.host.servers(self.case.endpoints)

    @property
    def issuer(self) -> ConfiguredIssuer:
        """The issuer of the run."""
        return self.run.issuer

    @property
    def orders(self) -> OrderStore:
        """The orders of all runs."""
        return self.run.journal.orders

    def now(self) -> datetime:
        """Return the time of the run's clock."""
        return self.run.clock()

    def log(self, text: str) -> None:
        """Report a detail to the user, of one or more lines."""
        self.run.log(text)

    @property
    def switch_groups(self) -> tuple[SwitchGroup, ...]:
        """The switch groups, determined once, before a switch changes their files; raises NotFoundOnHost."""
        if self._switch_groups is None:
            self._switch_groups = tuple(_switch_groups(self.case, self.host, self.workdir))
        return self._switch_groups

    @property
    def together(self) -> tuple[tuple[str, ...], ...]:
        """The services that are repaired together; raises NotFoundOnHost."""
        if self.case.repair in SWITCHED:
            return tuple(switch_group.services for switch_group in self.switch_groups)
        return tuple((service,) for service in self.case.services)

    def execute(self, action: SolverAction) -> CommandResult:
        """Run a command on its host, or a program on this machine."""
        return self.run.execute(action)

    def target(self, endpoint: str) -> Target:
        """Return an endpoint of the case as it was found; raises NotFoundOnHost."""
        if endpoint not in self.host.targets:
            raise NotFoundOnHost(f"{endpoint} was not found in this run")
        return self.host.targets[endpoint]

    def serves(self, endpoint: str) -> str | None:
        """Return the service of an endpoint."""
        return self.host.service_of(endpoint)

    def switch_group(self, subject: str) -> SwitchGroup:
        """Return the switch group that a service or an endpoint belongs to; raises NotFoundOnHost."""
        for switch_group in self.switch_groups:
            if subject in switch_group.services or subject in switch_group.endpoints:
                return switch_group
        raise NotFoundOnHost(f"no files of {subject} were found in this run")

    def installer(self, service: str) -> Installer:
        """Return the installer of a service; raises NotFoundOnHost."""
        host, panel = self.host, self.host.panel
        panel_installer = panel.installer(service) if panel and _is_panels(self.case, service, host) else None
        installer = host.declared_installers.get(service) or panel_installer or host.installers.get(service)
        if installer is None:
            raise NotFoundOnHost(f"no installer for service {service}. Declare its reload command in [[service]]")
        return installer

    def wait_until(self, condition: Callable[[], bool], seconds: float, pause_s: float | None = None) -> bool:
        """Wait until a condition is true and return True; return False at the timeout, or if the run is stopped.

        Between two observations passes at least as long as the last one took: a busy host is not kept busy by us.
        """
        deadline = Deadline.after(seconds)
        least_s = self.run.timeouts.look_s if pause_s is None else pause_s
        while True:
            began = time.monotonic()
            if condition():
                return True
            took_s = time.monotonic() - began
            if deadline.has_passed or self.run.stop.wait(max(least_s, took_s)):
                return False


def _switch_groups(case: Case, host: HostContext, workdir: HostWorkdir) -> Iterator[SwitchGroup]:
    """Yield the switch groups. Services that share a file are in one group, so no file is switched twice."""
    files = {service: _files_of(case, service, host) for service in case.services}
    for services in sorted(_joined(files, workdir.root)):
        group_files = tuple(file for service in services for file in files[service])
        endpoints = tuple(endpoint for endpoint in case.endpoints if host.service_of(endpoint) in services)
        yield SwitchGroup(services, endpoints, *_located(group_files, host, workdir), group_files)


def _located(files: tuple[InstalledFile, ...], host: HostContext, workdir: HostWorkdir) -> tuple[Deployment, FileSet]:
    """Return the deployment of these files and the files as it deploys them; raises NotFoundOnHost."""
    for deployment in host.deployments:
        try:
            file_set = deployment.locate(files, workdir)
        except NotDeployable as why:
            raise NotFoundOnHost(str(why)) from why
        if file_set:
            return deployment, file_set
    raise NotFoundOnHost(f"no deployment is known for {join_limited([file.path for file in files])}")


def _files_of(case: Case, service: str, host: HostContext) -> tuple[InstalledFile, ...]:
    """Return the files of a service in this run; since the audit, a panel may have installed one under another name."""
    panel = host.panel or Panel()
    planned_paths = {panel.default_path(file.path) for file in case.files if file.service == service}
    if not planned_paths and host.panel and panel.default_files(service):
        return panel.default_files(service)  # the panel has installed no file yet
    servers = [server for server in host.servers(case.endpoints) if server.service == service]
    by_path = {(panel.default_path(file.path), file.kind): file for server in servers for file in server.files}
    files = tuple(by_path[key] for key in sorted(by_path) if key[0] in planned_paths)
    if {panel.default_path(file.path) for file in files} != planned_paths or not planned_paths:
        raise NotFoundOnHost(f"the files of {service} were not found in this run")
    return files


def _is_panels(case: Case, service: str, host: HostContext) -> bool:
    """Return whether the files of a service belong to the panel; False if they were not found."""
    panel = host.panel
    try:
        files = _files_of(case, service, host) if panel else ()
    except NotFoundOnHost:
        files = ()
    return any(panel.owns(file.real_path or file.path) for file in files) if panel else False


def _joined(files: Mapping[str, Iterable[InstalledFile]], root: str) -> Iterator[tuple[str, ...]]:
    """Yield the services in groups that share files."""
    remaining = {service: {original_path(file, root) for file in own_files} for service, own_files in files.items()}
    while remaining:
        first, paths = remaining.popitem()
        services = {first}
        while joining := [service for service in remaining if remaining[service] & paths]:
            services.update(joining)
            paths = paths.union(*(remaining.pop(service) for service in joining))
        yield tuple(sorted(services))
