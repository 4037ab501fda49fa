"""The services on a host as its first command found them: their configurations as read, and the panel of the host.

An exception of a service's reader becomes an accident, and the other services are still read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from audit.host.files import certificate_facts
from audit.host.script import config_test, denied_test, instances, layout_in, sections_of
from audit.host.system import HostFacts
from audit.observation import Accident, ConfigTest, InstalledFile
from audit.observation.website import Website
from audit.services import LAYOUTS, Panel, PanelService
from audit.services.config_files import unreadable
from audit.services.model import (
    LOOPBACK,
    CertificateFacts,
    ConfigDump,
    Listener,
    NamedFile,
    ReaderByCertificate,
    Section,
    Service,
    without_relative_files,
)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class FoundService:
    """A service with its listeners; `pid` is 0 if it does not run, and -1 if it runs as an unknown process."""

    name: str
    pid: int
    since: datetime | None
    test: ConfigTest | None
    listeners: tuple[Listener, ...]
    missing: tuple[str, ...] = ()
    has_failed: bool = False  # its unit was started and has failed


@dataclass(frozen=True, slots=True)
class Instance:
    """A running process of a service, or with the process 0 a service that starts with the host; and its sections."""

    service: Service
    pid: int
    sections: Mapping[str, Section]


@dataclass(frozen=True, slots=True)
class Instances:
    """All instances on a host. `accidents` has an exception for each reader that raised one so far."""

    facts: HostFacts
    all: tuple[Instance, ...]
    accidents: list[Accident] = field(default_factory=list)

    @classmethod
    def of(cls, output: Mapping[str, Section], facts: HostFacts, known: Sequence[Service]) -> Instances:
        """Return the instances of known services in the output of the first command."""
        by_name = {service.identifier: service for service in known}
        found = instances(output).items()
        return cls(
            facts, tuple(Instance(by_name[name], pid, sections) for (name, pid), sections in found if name in by_name)
        )

    def services(self) -> Iterator[FoundService]:
        """Yield each service with a listener."""
        for instance in self.all:
            own = (*self.facts.addresses, *LOOPBACK) if self.facts.addresses else ()
            dump = ConfigDump(instance.sections, self.facts.ports_of(instance.pid), own)
            listeners = _with_absolute_files(self._guarded(instance.service.read, dump), instance.service.name)
            if not listeners:
                continue
            test = instance.sections.get("test")
            if all(listener.unread and not listener.files for listener in listeners):
                test = None  # the tested configuration may not be the one that runs
            denied = denied_test(test, self.facts.user) if test else ""
            yield FoundService(
                instance.service.name, instance.pid, self.facts.since(dump.text("since").strip()),
                None if denied or test is None else config_test(test), listeners,
                (denied,) if denied else (), has_failed=bool(dump.text("failed").strip()),
            )  # fmt: skip

    def _guarded(self, read: Callable[[ConfigDump], tuple[Value, ...]], dump: ConfigDump) -> tuple[Value, ...]:
        """Return the result of a reader; if it raises, add the exception to the accidents and return nothing."""
        try:
            return read(dump)
        except Exception as error:  # noqa: BLE001 - the boundary of one service: the others of the host are still read
            self.accidents.append(Accident.of(error))
            return ()

    def not_started(self, services: Iterable[FoundService]) -> Iterator[str]:
        """Yield each service that starts with the host, does not run and has not failed, and has all ports closed."""
        for service in services:
            ports = {listener.port for listener in service.listeners}
            if service.pid == 0 and not service.has_failed and not any(map(self.facts.listening, ports)):
                yield service.name

    def websites(self) -> Iterator[Website]:
        """Yield the websites of running services on ports on which the service listens."""
        for instance in self.all:
            if instance.pid:
                held = self.facts.ports_of(instance.pid)
                ports = {port for _, port in held}  # empty if the login may not see them
                sites = self._guarded(instance.service.websites, ConfigDump(instance.sections, held))
                yield from (site for site in sites if not ports or site.port in ports)

    def by_certificate(
        self, services: Iterable[FoundService], files: Mapping[NamedFile, InstalledFile], name: str
    ) -> Iterator[FoundService]:
        """Yield the services; the listeners of one that selects by certificate have the names in its certificates.

        `name` is the host's own name.
        """
        readers = {
            (instance.service.name, instance.pid): (instance.service.by_certificate, instance.sections)
            for instance in self.all
            if instance.service.by_certificate
        }
        certificates = (file for file in files.values() if readers and file.kind != "key")
        facts = {file.path: certificate_facts(file) for file in certificates}
        for service in services:
            if reader := readers.get((service.name, service.pid)):
                read, sections = reader
                found = self._guarded(_with_facts(read, facts, name), ConfigDump(sections))
                listeners = _with_absolute_files(found, service.name)
                yield replace(service, listeners=listeners)
            else:
                yield service

    def unread(self) -> Iterator[str]:
        """Yield a message for each configuration file that was not read."""
        for instance in self.all:
            files = ConfigDump(instance.sections).text("files")
            yield from (f"{instance.service.name}: {reason}" for reason in unreadable(files))

    def failures_of_no_endpoint(self, services: Iterable[FoundService]) -> Iterator[str]:
        """Yield a message for each failed test that the checks of an endpoint's files do not report.

        A daemon whose configuration is broken may have no endpoint, or none with a file.
        """
        reported = {
            (service.name, service.pid)
            for service in services
            if service.test and any(listener.port and listener.files for listener in service.listeners)
        }
        for instance in self.all:
            section = instance.sections.get("test")
            is_reported = (instance.service.name, instance.pid) in reported
            if section is None or is_reported or denied_test(section, self.facts.user):
                continue
            test = config_test(section)
            if not test.ok:
                yield f"{instance.service.name}: {test.command} fails: {test.detail}"


def _with_absolute_files(listeners: Iterable[Listener], service: str) -> tuple[Listener, ...]:
    return tuple(without_relative_files(listener, service) for listener in listeners)


def _with_facts(
    read: ReaderByCertificate, facts: Mapping[str, CertificateFacts], name: str
) -> Callable[[ConfigDump], tuple[Listener, ...]]:
    return lambda dump: read(dump, facts, name)


@dataclass(frozen=True, slots=True)
class FoundPanel:
    """The panel of a host, and the output of its layout's script."""

    layout: Panel
    dump: ConfigDump

    def arranged(self, services: Sequence[FoundService], declared: Sequence[FoundService]) -> Iterator[FoundService]:
        """Yield the services found, without those that the panel switched off, then the panel's own services."""
        enabled = []
        for service in services:
            listeners = self.layout.kept(self.dump, _panel_service(service))
            if listeners:
                enabled.append(replace(service, listeners=listeners))
        yield from enabled
        known = [_panel_service(service) for service in (*enabled, *declared)]
        for added in self.layout.services(self.dump, known):
            yield FoundService(added.service, -1 if added.is_running else 0, None, None, added.listeners)

    def websites(self, name: str, service_websites: Sequence[Website]) -> tuple[Website, ...]:
        """Return the websites of the host's own name that the panel serves and no service has."""
        return self.layout.websites(self.dump, name, service_websites)

    def word(self, service: str, files: Sequence[InstalledFile]) -> str | None:
        """Return the panel's word for a service whose certificate it installs."""
        return self.layout.word(service, files)


def _panel_service(service: FoundService) -> PanelService:
    return PanelService(service.name, service.listeners, service.pid != 0)


def panel_of(output: Mapping[str, Section], facts: HostFacts) -> FoundPanel | None:
    """Return the panel of the host; None if it has no known panel."""
    layout = layout_in(output, LAYOUTS)
    if layout is None:
        return None
    listening = tuple(dict.fromkeys((address, port) for address, port, _ in facts.sockets))
    return FoundPanel(layout, ConfigDump(sections_of(output, layout), listening))


def unread_marks(output: Mapping[str, Section], facts: HostFacts) -> tuple[str, ...]:
    """Return a message for each panel that cannot be detected because the login lacks a right."""
    unreadable = (layout for layout in LAYOUTS if layout.name in output and layout_in(output, (layout,)) is None)
    return tuple(
        f"{facts.user} may not read {layout.mark}: the host is treated as one without {layout.name}"
        for layout in unreadable
    )
