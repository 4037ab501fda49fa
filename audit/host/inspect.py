"""Inspects a host by two commands: the host itself and its services with TLS, then the files that these name.

`audit.services` reads the configurations, and the checks judge the result.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from audit.endpoint import Endpoint
from audit.host.cpanel import read_cpanel_state
from audit.host.endpoints import Inspection, for_own_name, host_name, targets_of, validated_names, view_of
from audit.host.files import (
    PER_COMMAND,
    file_functions,
    look_at,
    missing_rights,
    read_file,
    request_for,
)
from audit.host.found_services import FoundPanel, FoundService, Instances, panel_of, unread_marks
from audit.host.http_validation import RULES, TOKENS, read_validation, script_for_tokens, token_folders
from audit.host.login import Host
from audit.host.script import config_test, cut_sections, inspection_script, script_of
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
from audit.observation import UNKNOWN, HostView, InstalledFile, Observation, ProbeFailure
from audit.observation.firewall import HttpValidation
from audit.observation.website import Website
from audit.probe.target import Target
from audit.services import LAYOUTS, SERVICES
from audit.services.declared import DeclaredService, listeners_of, websites_of
from audit.services.model import Listener, NamedFile, Section, Service

Clock = Callable[[], datetime]
_COMMANDS: Final = 2  # that a host needs; few need more


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
    with host.within(_COMMANDS * host.timeout_s):
        return _inspected(host, options, clock)


def _inspected(host: Host, options: HostOptions, clock: Clock) -> tuple[Observation, tuple[Target, ...]]:
    sent = clock()
    output = host.run(inspection_script(options.known_services, LAYOUTS))
    received = clock()
    if isinstance(output, ProbeFailure):
        elapsed = (received - sent).total_seconds()
        return replace(_observation(host, received), failures=(output,), elapsed_s=elapsed), ()
    facts = read_facts(output, sent, received)
    view = _view(host, facts, options)
    if facts.not_inspected:
        return _from_outside(host, view, facts, options, received)
    found = _found(view, facts, options, output)
    second_output, failures = _second_command(host, found, options)
    complete_view, targets = _complete(host, found, options, _Output({**output, **second_output}, failures))
    accident = next(iter(found.instances.accidents), None)
    elapsed = (clock() - sent).total_seconds()
    observation = replace(_observation(host, received), failures=failures)
    return replace(observation, server=complete_view, elapsed_s=elapsed, accident=accident), targets


def _observation(host: Host, received: datetime) -> Observation:
    return Observation(Endpoint.of_host(host.label, host.hostspec), received, connections=host.logins)


def _view(host: Host, facts: HostFacts, options: HostOptions) -> HostView:
    view = view_of(host, facts, options.name, options.addresses)
    collector = host.collector.path if host.collector else None
    login = None if facts.user == "?" else facts.user
    return replace(view, login=login, collector=collector)


def _from_outside(
    host: Host, view: HostView, facts: HostFacts, options: HostOptions, received: datetime
) -> tuple[Observation, tuple[Target, ...]]:
    """Return the observation of a host that cannot be inspected, and the endpoints that can be reached from here."""
    services = services_from_outside(facts if options.discover else replace(facts, sockets=()), options.services)
    observation = replace(_observation(host, received), server=view)
    return observation, tuple(targets_of(host, view, facts, Inspection(services, {}, None)))


@dataclass(frozen=True, slots=True)
class _Found:
    """What the first command found on a host. `untrusted` has a message for each socket of an untrusted process."""

    facts: HostFacts
    view: HostView
    instances: Instances
    panel: FoundPanel | None
    services: tuple[FoundService, ...]
    not_started: tuple[str, ...]
    websites: tuple[Website, ...]
    untrusted: Mapping[tuple[str, int], str]
    sockets: _HostSockets
    reads_rules: bool  # of the firewall, which the first command reads on a cPanel & WHM server


def _found(view: HostView, facts: HostFacts, options: HostOptions, output: Mapping[str, Section]) -> _Found:
    panel = panel_of(output, facts) if options.discover else None
    instances = Instances.of(output, facts, options.known_services)
    inspected, declared = tuple(instances.services()), tuple(_declared(options.services, facts))
    services = (*(panel.arranged(inspected, declared) if panel else inspected), *declared)
    websites = (*(site for service in options.services for site in websites_of(service)), *instances.websites())
    known = known_sockets(services, websites, facts)
    untrusted = dict(listening(read_untrusted(output), facts))
    return _Found(
        facts, view, instances, panel, services,
        () if panel else tuple(instances.not_started(inspected)), websites, untrusted,
        _HostSockets(facts.sockets if options.discover else (), known.claimed, {**known.unlisted, **untrusted}),
        reads_rules=options.not_validated is not None and not facts.is_cpanel,
    )  # fmt: skip


def _declared(services: tuple[DeclaredService, ...], facts: HostFacts) -> Iterator[FoundService]:
    for service in services:
        listeners = listeners_of(service)
        runs = any(facts.listening(listener.port) for listener in listeners)
        yield FoundService(service.name, -1 if runs else 0, None, None, listeners)


@dataclass(frozen=True, slots=True)
class _Output:
    """The sections that all commands of a host printed, and why some are missing."""

    sections: Mapping[str, Section]
    failures: tuple[ProbeFailure, ...]

    def file(self, file: NamedFile) -> InstalledFile:
        """Return a file as it was reported, or the reason why it was not."""
        return read_file(file, self.sections, *self.reasons)

    def validation(self, names: tuple[str, ...], websites: Sequence[Website]) -> HttpValidation | None:
        """Return what a CA meets that validates these names, with the reason if its parts are missing."""
        validation = read_validation(names, websites, self.sections)
        return replace(validation, unread=(*validation.unread, *self.reasons)) if validation else None

    @property
    def reasons(self) -> tuple[str, ...]:
        """The message of the failure."""
        return tuple(failure.detail for failure in self.failures)


def _complete(host: Host, found: _Found, options: HostOptions, printed: _Output) -> tuple[HostView, tuple[Target, ...]]:
    """Return the whole view of a host and the endpoints on it, from the output of both commands."""
    output = printed.sections
    services = [*found.services]
    services += _services_of_second_command(services, output, options, found.sockets)
    files = {file: printed.file(file) for file in _named_files(services)}
    name = host_name(found.view)
    services = [
        replace(service, listeners=tuple(for_own_name(service.name, service.listeners, name)))
        for service in found.instances.by_certificate(services, files, name)
    ]
    missing = dict.fromkeys((*_unread(found, services, output), *_missing_rights(services, files)))
    view = replace(found.view, missing_rights=tuple(missing), not_started=found.not_started)
    targets = tuple(targets_of(host, view, found.facts, Inspection(services, files, found.panel)))
    names = validated_names(targets, options.not_validated or ())
    websites = (*found.websites, *(found.panel.websites(name, found.websites) if found.panel else ()))
    return replace(
        view,
        websites=websites,
        cpanel=read_cpanel_state(output),
        not_trusted=messages(output),
        validation=printed.validation(names, websites) if found.reads_rules else None,
    ), targets


def _unread(found: _Found, services: Sequence[FoundService], output: Mapping[str, Section]) -> Iterator[str]:
    """Yield a message for each part of the host that was not read, whatever its services name."""
    yield from unread_marks(output, found.facts)
    yield from found.instances.failures_of_no_endpoint(services)
    yield from cut_sections(output)
    yield from found.instances.unread()
    yield from found.untrusted.values()


def _second_command(
    host: Host, found: _Found, options: HostOptions
) -> tuple[dict[str, Section], tuple[ProbeFailure, ...]]:
    """Inspect all named files, try unknown sockets, run the declared tests and list the firewall, by one command.

    A host with more than 300 files takes one more command for each 300. If one fails, the rest is
    returned.
    """
    files = list(_named_files(found.services))
    places = places_to_try(found.sockets.sockets, found.sockets.claimed)
    rest = TRY + "".join(script_for_unknown_sockets(places)) + "".join(_declared_tests(options))
    requests = [f"tls {place}" for place in places]
    if found.reads_rules:
        folders = token_folders(found.websites)
        rest += f"{RULES}firewall\n{TOKENS}{script_for_tokens(folders)}"
        requests += ["firewall", *(f"tokens {folder}" for folder in folders)]
    output: dict[str, Section] = {}
    for start in range(0, max(len(files), 1), PER_COMMAND):
        batch = files[start : start + PER_COMMAND]
        script = file_functions() + "".join(look_at(batch)) + ("" if start else rest)
        result = host.run(script_of(script, (*request_for(batch), *(() if start else requests))))
        if isinstance(result, ProbeFailure):
            return output, (result,)
        output |= result
    return output, ()


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
        yield FoundService(UNKNOWN, -1, None, None, marked, limits)


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
