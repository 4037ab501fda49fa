"""A case at work: what it may use, where it works, and which of its files are switched together.

It knows the targets of this run and keeps what the steps have found out; it refuses to know in which order they go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from audit.observation import HostView, InstalledFile
from audit.probe import Target
from audit.probe.deadline import Deadline
from audit.text import listing
from audit.x509.certificate import Certificate
from remediate.cpanel.panel import Panel
from remediate.deployment.versions import FileSet, file_targets, original_path
from remediate.execution.context import ConfiguredIssuer, RunContext
from remediate.execution.host_context import HostContext
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import HostWorkdir
from remediate.installers import Installer
from remediate.model.case import SWITCHED, Case
from remediate.pki.csr import Csr
from remediate.pki.issued_chain import InstallableChain
from remediate.state.orders import OrderStore


@dataclass(frozen=True, slots=True)
class SwitchGroup:
    """Files that are switched together, the services that load them and the endpoints that show what is in them."""

    services: tuple[str, ...]
    endpoints: tuple[str, ...]
    file_set: FileSet
    files: tuple[InstalledFile, ...] = ()


class NotFoundOnHost(LookupError):
    """Something of a case that was not found on its host in this run; its message names it."""


@dataclass(slots=True)
class CaseContext:
    """A case at work. What its steps found out is kept here for the next, and found out anew by the next run."""

    case: Case
    run: RunContext
    csr: Csr | None = None
    installable: InstallableChain | None = None
    chained: dict[str, InstallableChain] = field(default_factory=dict)  # by the folder of their installation
    on_disk: Mapping[str, Certificate] | None = None  # the leaf in each file, as it was looked at last
    is_published: bool = False
    is_collected: bool = False
    left_behind: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()  # beside the looks of the self-test, a clause each
    visits: tuple[str, ...] = ()  # who has come for the proof, a line each
    _switch_groups: tuple[SwitchGroup, ...] | None = None

    @property
    def workdir(self) -> HostWorkdir:
        """Where the case has its things on its host."""
        return self.workdir_on(self.case.host)

    def workdir_on(self, host: str) -> HostWorkdir:
        """Return where the case has its things on a host of the run."""
        return HostWorkdir(host, self.case.id, self.run.lock_holder, self.run.host(host).workdir_root)

    @property
    def host(self) -> HostContext:
        """The host of the case."""
        return self.run.host(self.case.host)

    @property
    def servers(self) -> tuple[HostView, ...]:
        """What was found behind the endpoints of the case."""
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
        """The sets of files, found once: afterwards the links of ours are there. Raises Unknown."""
        if self._switch_groups is None:
            self._switch_groups = tuple(_switch_groups(self.case, self.host, self.workdir))
        return self._switch_groups

    @property
    def together(self) -> tuple[tuple[str, ...], ...]:
        """The services that are repaired together; raises Unknown."""
        if self.case.repair in SWITCHED:
            return tuple(one.services for one in self.switch_groups)
        return tuple((service,) for service in self.case.services)

    def execute(self, command: Command) -> CommandResult:
        """Run a command on its host; where nobody is logged in it counts as cut off."""
        session = self.run.host(command.host).session
        return session.run(command) if session else CommandResult(None, "", "no session on it in this run")

    def target(self, endpoint: str) -> Target:
        """Return an endpoint of the case as it was found; raises Unknown."""
        if endpoint not in self.host.targets:
            raise NotFoundOnHost(f"{endpoint} was not found this time")
        return self.host.targets[endpoint]

    def serves(self, endpoint: str) -> str | None:
        """Return the service of an endpoint."""
        return self.host.service_of(endpoint)

    def switch_group(self, subject: str) -> SwitchGroup:
        """Return the set of files that a service or an endpoint belongs to; raises Unknown."""
        for one in self.switch_groups:
            if subject in one.services or subject in one.endpoints:
                return one
        raise NotFoundOnHost(f"no files of {subject} were found this time")

    def installer(self, service: str) -> Installer:
        """Return what brings a service to use its files; raises Unknown."""
        host, panel = self.host, self.host.panel
        of_panel = panel.installer(service) if panel and _is_panels(self.case, service, host) else None
        found = host.declared_installers.get(service) or of_panel or host.installers.get(service)
        if found is None:
            raise NotFoundOnHost(f"it is not known how {service} is brought to use its files")
        return found

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Return whether a condition comes true in time; False too where the run is stopped."""
        deadline = Deadline.after(seconds)
        while not condition():
            if deadline.has_passed or self.run.stop.wait(self.run.timeouts.look_s):
                return False
        return True


def _switch_groups(case: Case, host: HostContext, workdir: HostWorkdir) -> Iterator[SwitchGroup]:
    """Yield the sets: services that share a file are in one, so that no file is switched twice."""
    files = {service: _files_of(case, service, host) for service in case.services}
    for services in sorted(_joined(files, workdir.root)):
        mine = tuple(file for service in services for file in files[service])
        endpoints = tuple(one for one in case.endpoints if host.service_of(one) in services)
        yield SwitchGroup(services, endpoints, _file_set(mine, workdir, host.panel), mine)


def _file_set(files: tuple[InstalledFile, ...], workdir: HostWorkdir, panel: Panel | None) -> FileSet:
    """Return how some files are switched together: those of a panel's services stay its own, none becomes a link."""
    placed = file_targets(files, workdir.root)
    owned = [one.path for one in placed if panel and panel.owns(one.path)]
    if panel is None or not owned:
        return FileSet(workdir, placed)
    if others := [one.path for one in placed if one.path not in owned]:
        raise NotFoundOnHost(f"{listing(owned)} is the panel's to install, and {listing(others)} is not")
    return FileSet(workdir, tuple(replace(one, path=panel.default_path(one.path)) for one in placed), panel.deployment)


def _files_of(case: Case, service: str, host: HostContext) -> tuple[InstalledFile, ...]:
    """Return the files of a service as found now; what a panel has installed meanwhile may be called otherwise."""
    panel = host.panel or Panel()
    wanted = {panel.default_path(file.path) for file in case.files if file.service == service}
    if not wanted and host.panel and panel.default_files(service):
        return panel.default_files(service)  # it has none yet
    servers = [server for server in host.servers(case.endpoints) if server.service == service]
    found = {(panel.default_path(file.path), file.kind): file for server in servers for file in server.files}
    known = tuple(found[key] for key in sorted(found) if key[0] in wanted)
    if {panel.default_path(file.path) for file in known} != wanted or not wanted:
        raise NotFoundOnHost(f"the files of {service} were not found this time")
    return known


def _is_panels(case: Case, service: str, host: HostContext) -> bool:
    """Tell whether the files of a service are those of a panel's; False where they were not found."""
    panel = host.panel
    try:
        files = _files_of(case, service, host) if panel else ()
    except NotFoundOnHost:
        files = ()
    return any(panel.owns(file.real_path or file.path) for file in files) if panel else False


def _joined(files: Mapping[str, Iterable[InstalledFile]], root: str) -> Iterator[tuple[str, ...]]:
    """Yield the services by what they share."""
    paths = {service: {original_path(file, root) for file in mine} for service, mine in files.items()}
    left = dict(paths)
    while left:
        first, reached = left.popitem()
        services = {first}
        while joining := [service for service in left if left[service] & reached]:
            services.update(joining)
            reached = reached.union(*(left.pop(service) for service in joining))
        yield tuple(sorted(services))
