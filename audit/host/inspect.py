"""Inspects a host by two commands: the host itself and its services with TLS, then the files that these name.

`audit.services` reads the configurations, and the checks judge the result.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from audit.endpoint import Endpoint
from audit.host.cpanel import read_cpanel_state
from audit.host.endpoints import Inspection, host_name, targets_of, validated_names, view_of
from audit.host.files import (
    PER_COMMAND,
    certificate_facts,
    file_functions,
    look_at,
    missing_rights,
    read_file,
    request_for,
)
from audit.host.firewall import RULES, read_validation
from audit.host.login import Host
from audit.host.panels import FoundPanel, FoundService, panel_of, unread_marks
from audit.host.script import config_test, cut_sections, denied_test, inspection_script, instances, script_of
from audit.host.system import HostFacts, read_facts
from audit.host.trust import listening, messages, read_untrusted
from audit.host.unknown_sockets import (
    TRY,
    Socket,
    known_sockets,
    places_to_try,
    read_unknown_sockets,
    script_for_unknown_sockets,
    services_from_outside,
    untried,
)
from audit.observation import Accident, HostView, InstalledFile, Observation, ProbeFailure
from audit.observation.website import Website
from audit.probe.target import Target
from audit.services import LAYOUTS, SERVICES
from audit.services.config_files import unreadable
from audit.services.declared import DeclaredService, listeners_of, websites_of
from audit.services.model import (
    CertificateFacts,
    ConfigDump,
    Listener,
    NamedFile,
    ReaderByCertificate,
    Section,
    Service,
)

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class HostOptions:
    """The user's configuration of a host: its name, its addresses as seen from outside, and services unknown to us."""

    name: str | None = None
    addresses: tuple[str, ...] = ()
    services: tuple[DeclaredService, ...] = ()
    discover: bool = True  # if false, only those services are inspected
    extensions: tuple[Service, ...] = ()  # readers of other distributions
    not_validated: tuple[str, ...] | None = None  # globs of names that no repair validates by HTTP; None: all names

    @property
    def known_services(self) -> tuple[Service, ...]:
        """The services that are looked for on the host."""
        return (*SERVICES, *self.extensions) if self.discover else ()


def inspect(host: Host, options: HostOptions, clock: Clock) -> tuple[Observation, tuple[Target, ...]]:
    """Return the observation of a host, which holds a fault of the host if there is one, and the endpoints on it."""
    host_endpoint = Endpoint.of_host(host.label, host.hostspec)
    sent = clock()
    output = host.run(inspection_script(options.known_services, LAYOUTS))
    received = clock()
    if isinstance(output, ProbeFailure):
        return Observation(host_endpoint, received, failures=(output,), elapsed_s=(received - sent).total_seconds()), ()
    facts = read_facts(output, sent, received)
    if facts.not_inspected:
        return _from_outside(host, facts, options, received)
    view = _view(host, facts, options)
    name = host_name(view)
    panel = panel_of(output, facts) if options.discover else None
    accidents: list[Accident] = []
    inspected = tuple(_instances(output, facts, options.known_services, accidents))
    services = [*_arranged(panel, inspected, tuple(_declared(options.services, facts)))]
    not_started = () if panel else tuple(_not_started(inspected, facts))
    untrusted = dict(listening(read_untrusted(output), facts))
    websites = _websites(output, facts, options, accidents)
    known = known_sockets(services, websites, facts)
    host_sockets = _HostSockets(
        facts.sockets if options.discover else (), known.claimed, {**known.unlisted, **untrusted}
    )
    reads_rules = options.not_validated is not None and not facts.is_cpanel
    second_output = _second_command(host, services, host_sockets, options, reads_rules=reads_rules)
    if isinstance(second_output, ProbeFailure):
        return Observation(host_endpoint, received, failures=(second_output,), server=view), ()
    services += _services_of_second_command(services, second_output, options, host_sockets)
    files = {file: read_file(file, second_output) for file in _named_files(services)}
    sections = tuple(_sections_of_services(output, options.known_services))
    services = list(_by_certificate(services, _readers_by_certificate(sections, files, name), accidents))
    unread = (
        *unread_marks(output, facts),
        *_failures_of_no_endpoint(sections, services, facts.user),
        *cut_sections({**output, **second_output}),
        *_unread_configurations(sections),
        *untrusted.values(),
    )
    missing = tuple(dict.fromkeys((*unread, *_missing_rights(services, files))))
    view = replace(view, missing_rights=missing, not_started=not_started)
    websites += panel.websites(name, websites) if panel else ()
    targets = tuple(targets_of(host, view, facts, Inspection(services, files, panel)))
    validation = (
        read_validation(validated_names(targets, options.not_validated or ()), {**output, **second_output})
        if reads_rules
        else None
    )
    complete_view = replace(view, websites=websites, cpanel=read_cpanel_state(output), not_trusted=messages(output),
                            validation=validation)  # fmt: skip
    elapsed = (clock() - sent).total_seconds()
    observation = Observation(
        host_endpoint, received, server=complete_view, connections=host.commands, elapsed_s=elapsed,
        accident=next(iter(accidents), None),
    )  # fmt: skip
    return observation, targets


def _view(host: Host, facts: HostFacts, options: HostOptions) -> HostView:
    view = view_of(host, facts, options.name, options.addresses)
    collector = host.collector.path if host.collector else None
    login = None if facts.user == "?" else facts.user
    return replace(view, login=login, collector=collector)


def _from_outside(
    host: Host, facts: HostFacts, options: HostOptions, received: datetime
) -> tuple[Observation, tuple[Target, ...]]:
    """Return the observation of a host that cannot be inspected, and the endpoints that can be reached from here."""
    view = _view(host, facts, options)
    services = services_from_outside(facts if options.discover else replace(facts, sockets=()), options.services)
    observation = Observation(
        Endpoint.of_host(host.label, host.hostspec), received, server=view, connections=host.commands
    )
    return observation, tuple(targets_of(host, view, facts, Inspection(services, {}, None)))


Value = TypeVar("Value")


def _guarded(
    accidents: list[Accident], read: Callable[[ConfigDump], tuple[Value, ...]], dump: ConfigDump
) -> tuple[Value, ...]:
    """Return the result of a service's reader; if it raises, add the exception to the accidents and return nothing."""
    try:
        return read(dump)
    except Exception as error:  # noqa: BLE001 - the boundary of one service: the others of the host are still read
        accidents.append(Accident.of(error))
        return ()


def _arranged(
    panel: FoundPanel | None, inspected: tuple[FoundService, ...], declared: tuple[FoundService, ...]
) -> tuple[FoundService, ...]:
    """Return the services configured on the host, as its panel arranges them, then the declared services."""
    return (*(panel.arranged(inspected, declared) if panel else inspected), *declared)


def _instances(
    output: Mapping[str, Section], facts: HostFacts, known: Sequence[Service], accidents: list[Accident]
) -> Iterator[FoundService]:
    for service, pid, sections in _sections_of_services(output, known):
        dump = ConfigDump(sections, facts.ports_of(pid))
        listeners = _guarded(accidents, service.read, dump)
        if listeners:
            test = sections.get("test")
            if all(listener.unread and not listener.files for listener in listeners):
                test = None  # the tested configuration may not be the one that runs
            denied = denied_test(test, facts.user) if test else ""
            yield FoundService(
                service.name, pid, facts.since(dump.text("since").strip()),
                None if denied or test is None else config_test(test), listeners,
                (denied,) if denied else (), has_failed=bool(dump.text("failed").strip()),
            )  # fmt: skip


def _not_started(services: Iterable[FoundService], facts: HostFacts) -> Iterator[str]:
    """Yield the services that start with the host, do not run and have not failed, and whose ports are all closed."""
    for service in services:
        ports = {listener.port for listener in service.listeners}
        if service.pid == 0 and not service.has_failed and not any(map(facts.listening, ports)):
            yield service.name


def _failures_of_no_endpoint(
    instances: Iterable[tuple[Service, int, Mapping[str, Section]]], services: Iterable[FoundService], user: str
) -> Iterator[str]:
    """Yield a message for each failed test that the checks of an endpoint's files do not report.

    A daemon whose configuration is broken may have no endpoint, or none with a file.
    """
    reported = {
        (service.name, service.pid)
        for service in services
        if service.test and any(listener.port and listener.files for listener in service.listeners)
    }
    for service, pid, sections in instances:
        section = sections.get("test")
        if section is None or (service.name, pid) in reported or denied_test(section, user):
            continue
        test = config_test(section)
        if not test.ok:
            yield f"{service.name}: {test.command} fails: {test.detail}"


def _unread_configurations(instances: Iterable[tuple[Service, int, Mapping[str, Section]]]) -> Iterator[str]:
    """Yield a message for each configuration file that was not read."""
    for service, _, sections in instances:
        yield from (f"{service.name}: {reason}" for reason in unreadable(ConfigDump(sections).text("files")))


def _websites(
    output: Mapping[str, Section], facts: HostFacts, options: HostOptions, accidents: list[Accident]
) -> tuple[Website, ...]:
    """Return the declared websites, and those of running services on ports on which the service listens."""
    websites = [site for service in options.services for site in websites_of(service)]
    for service, pid, sections in _sections_of_services(output, options.known_services):
        if pid:
            held = facts.ports_of(pid)
            ports = {port for _, port in held}  # empty if the login may not see them
            sites = _guarded(accidents, service.websites, ConfigDump(sections, held))
            websites += (site for site in sites if not ports or site.port in ports)
    return tuple(websites)


def _sections_of_services(
    output: Mapping[str, Section], known: Sequence[Service]
) -> Iterator[tuple[Service, int, Mapping[str, Section]]]:
    """Yield the sections of each instance of a known service."""
    by_name = {service.identifier: service for service in known}
    for (name, pid), sections in instances(output).items():
        if name in by_name:
            yield by_name[name], pid, sections


def _by_certificate(
    services: Sequence[FoundService],
    readers: Mapping[tuple[str, int], tuple[Callable[[ConfigDump], tuple[Listener, ...]], ConfigDump]],
    accidents: list[Accident],
) -> Iterator[FoundService]:
    """Yield the services; the listeners of one that selects by certificate have the names in its certificates."""
    for service in services:
        if (service.name, service.pid) in readers:
            read, dump = readers[(service.name, service.pid)]
            yield replace(service, listeners=_guarded(accidents, read, dump))
        else:
            yield service


def _readers_by_certificate(
    sections: Sequence[tuple[Service, int, Mapping[str, Section]]],
    files: Mapping[NamedFile, InstalledFile],
    name: str,
) -> Mapping[tuple[str, int], tuple[Callable[[ConfigDump], tuple[Listener, ...]], ConfigDump]]:
    """Return by name and process the reader, and its dump, of each service that selects by certificate."""
    is_needed = any(service.by_certificate for service, _, _ in sections)
    facts = {file.path: certificate_facts(file) for file in files.values() if is_needed and file.kind != "key"}
    return {
        (service.name, pid): (_reader_by_certificate(service.by_certificate, facts, name), ConfigDump(dump))
        for service, pid, dump in sections
        if service.by_certificate
    }


def _reader_by_certificate(
    read: ReaderByCertificate, facts: Mapping[str, CertificateFacts], name: str
) -> Callable[[ConfigDump], tuple[Listener, ...]]:
    return lambda dump: read(dump, facts, name)


def _declared(services: tuple[DeclaredService, ...], facts: HostFacts) -> Iterator[FoundService]:
    for service in services:
        listeners = listeners_of(service)
        runs = any(facts.listening(listener.port) for listener in listeners)
        yield FoundService(service.name, -1 if runs else 0, None, None, listeners)


def _second_command(
    host: Host,
    services: Sequence[FoundService],
    host_sockets: _HostSockets,
    options: HostOptions,
    *,
    reads_rules: bool,
) -> dict[str, Section] | ProbeFailure:
    """Inspect all named files, try unknown sockets, run the declared tests and list the firewall, by one command.

    A host with more than 300 files takes one more command for each 300.
    """
    files = list(_named_files(services))
    places = places_to_try(host_sockets.sockets, host_sockets.claimed)
    rest = TRY + "".join(script_for_unknown_sockets(places)) + "".join(_declared_tests(options))
    rest += f"{RULES}firewall\n" if reads_rules else ""
    requests = (*(f"tls {place}" for place in places), *(("firewall",) if reads_rules else ()))
    output: dict[str, Section] = {}
    for start in range(0, max(len(files), 1), PER_COMMAND):
        batch = files[start : start + PER_COMMAND]
        script = file_functions() + "".join(look_at(batch)) + ("" if start else rest)
        result = host.run(script_of(script, (*request_for(batch), *(() if start else requests))))
        if isinstance(result, ProbeFailure):
            return result
        output |= result
    return output


def _declared_tests(options: HostOptions) -> Iterator[str]:
    for index, service in enumerate(options.services):
        if service.test:
            yield f"section test.{index} sh -c {shlex.quote(service.test)}\n"


@dataclass(frozen=True, slots=True)
class _HostSockets:
    """The sockets of a host that may be of unknown services, and by address and port what is known about them."""

    sockets: Sequence[Socket]
    claimed: Collection[tuple[str, int]]
    reasons: Mapping[tuple[str, int], str]


def _services_of_second_command(
    services: list[FoundService], output: Mapping[str, Section], options: HostOptions, host_sockets: _HostSockets
) -> Iterator[FoundService]:
    """Yield the unknown services in the output of the second command, and add their tests to declared services."""
    declared = enumerate(options.services)
    tests = {service.name: output[f"test.{index}"] for index, service in declared if f"test.{index}" in output}
    for index, service in enumerate(list(services)):
        if service.name in tests and service.pid <= 0:
            test = config_test(tests[service.name])
            services[index] = FoundService(service.name, service.pid, service.since, test, service.listeners)
    unknown = read_unknown_sockets(host_sockets.sockets, host_sockets.claimed, output.get("unknown_sockets"))
    limits = untried(host_sockets.sockets, host_sockets.claimed)
    if unknown or limits:
        marked = tuple(_with_reason(listener, host_sockets.reasons) for listener in unknown)
        yield FoundService("unknown", -1, None, None, marked, limits)


def _with_reason(listener: Listener, known_reasons: Mapping[tuple[str, int], str]) -> Listener:
    reasons = (known_reasons.get((address, listener.port)) for address in listener.addresses)
    return replace(listener, unread=(*listener.unread, *(reason for reason in reasons if reason)))


def _named_files(services: Sequence[FoundService]) -> list[NamedFile]:
    return list(
        dict.fromkeys(file for service in services for listener in service.listeners for file in listener.files)
    )


def _missing_rights(services: Sequence[FoundService], files: Mapping[NamedFile, InstalledFile]) -> tuple[str, ...]:
    reasons = [reason for service in services for reason in service.missing]
    reasons += [reason for service in services for listener in service.listeners for reason in listener.unread]
    return tuple(dict.fromkeys([*reasons, *missing_rights(files.values())]))
