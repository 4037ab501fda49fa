"""Inspects a host by two commands: what the host is, which services use TLS, and the files that they name.

`audit.services` reads the configurations, and the checks judge what is found.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

from audit.endpoint import Endpoint
from audit.host.certificate_owner import is_snakeoil, owner_of
from audit.host.cpanel import read_cpanel_state
from audit.host.endpoints import Found, endpoints_of, host_name
from audit.host.files import PER_COMMAND, file_functions, look_at, missing_rights, read_file, request_for
from audit.host.handshake import HostInside
from audit.host.login import Host
from audit.host.panels import FoundPanel, FoundService, panel_of, unread_marks
from audit.host.script import COMMAND_LIMIT_S, cut_sections, instances, script_of, whole_script
from audit.host.system import HostFacts, read_facts
from audit.host.trust import listening, messages, read_untrusted
from audit.host.unknown_sockets import TRY, places_to_try, read_unknown_sockets, script_for_unknown_sockets, untried
from audit.observation import Accident, ConfigTest, HostView, InstalledFile, Observation, ProbeFailure
from audit.observation.website import Website
from audit.probe.target import Target
from audit.services import LAYOUTS, SERVICES
from audit.services.config_files import unreadable
from audit.services.declared import DeclaredService, listeners_of, websites_of
from audit.services.model import ConfigDump, Listener, NamedFile, Section, Service

Clock = Callable[[], datetime]
_TIMED_OUT: Final = (124, 137)  # the status of timeout(1)
_DETAIL: Final = 400  # characters of a failed configuration test that are kept


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What the user says of a host: its name, the addresses it is reached by, and services we do not know."""

    name: str | None = None
    addresses: tuple[str, ...] = ()
    services: tuple[DeclaredService, ...] = ()
    discover: bool = True  # else nothing is looked at but those services


def inspect(host: Host, wishes: HostOptions, clock: Clock) -> tuple[Observation, tuple[Target, ...]]:
    """Return what is seen of a host, and the endpoints found on it; a fault of the host's is in the observation."""
    whole = Endpoint.of_host(host.label, host.hostspec)
    sent = clock()
    answer = host.run(whole_script(SERVICES if wishes.discover else (), LAYOUTS))
    received = clock()
    if isinstance(answer, ProbeFailure):
        return Observation(whole, received, failures=(answer,), elapsed_s=(received - sent).total_seconds()), ()
    facts = read_facts(answer, sent, received)
    panel = panel_of(answer, facts) if wishes.discover else None
    accidents: list[Accident] = []
    found = [*_found(answer, facts, wishes, panel, accidents)]
    untrusted = dict(listening(read_untrusted(answer), facts))
    second = _second_look(host, found, facts, wishes)
    if isinstance(second, ProbeFailure):
        return Observation(whole, received, failures=(second,), server=_view(host, facts, wishes)), ()
    found += _finish(found, second, wishes, _Outside(facts, untrusted))
    files = {one: read_file(one, second) for one in _named(found)}
    unread = (
        *unread_marks(answer, facts),
        *cut_sections({**answer, **second}),
        *_unread_configurations(answer),
        *untrusted.values(),
    )
    view = _view(host, facts, wishes, missing=tuple(dict.fromkeys((*unread, *_missing(found, files)))))
    websites = _websites(answer, facts, wishes.services, accidents)
    websites += panel.websites(host_name(view), websites) if panel else ()
    whole_view = replace(view, websites=websites, cpanel=read_cpanel_state(answer), not_trusted=messages(answer))
    elapsed = (clock() - sent).total_seconds()
    observation = Observation(
        whole, received, server=whole_view, connections=host.commands, elapsed_s=elapsed,
        accident=next(iter(accidents), None),
    )  # fmt: skip
    return observation, tuple(_targets(host, view, facts, _Seen(found, files, panel)))


Value = TypeVar("Value")


def _guarded(
    accidents: list[Accident], read: Callable[[ConfigDump], tuple[Value, ...]], dump: ConfigDump
) -> tuple[Value, ...]:
    """Return what a service's reader returns; keep its exception as an accident of the host, and go on without it."""
    try:
        return read(dump)
    except Exception as error:  # noqa: BLE001 - the boundary of one service: the others of the host are still read
        accidents.append(Accident.of(error))
        return ()


def _found(
    answer: Mapping[str, Section],
    facts: HostFacts,
    wishes: HostOptions,
    panel: FoundPanel | None,
    accidents: list[Accident],
) -> tuple[FoundService, ...]:
    """Return what is configured on the host, as its panel lays it out, then what is declared."""
    known = tuple(_instances(answer, facts, accidents))
    declared = tuple(_declared(wishes.services, facts))
    return (*(panel.arranged(known, declared) if panel else known), *declared)


def _instances(answer: Mapping[str, Section], facts: HostFacts, accidents: list[Accident]) -> Iterator[FoundService]:
    for row, pid, sections in _answers(answer):
        dump = ConfigDump(sections, facts.ports_of(pid))
        listeners = _guarded(accidents, row.read, dump)
        if listeners:
            test = sections.get("test")
            if all(one.unread and not one.files for one in listeners):
                test = None  # what was tested is not known to be what runs
            denied = bool(test and test.rc and facts.user != "root" and "ermission denied" in test.text)
            yield FoundService(
                row.name, pid, facts.since(dump.text("since").strip()),
                None if denied or test is None else _config_test(test), listeners,
                (f"{facts.user} may not test the configuration: {_short(test.text)}",) if denied and test else (),
            )  # fmt: skip


def _unread_configurations(answer: Mapping[str, Section]) -> Iterator[str]:
    """Yield a message for each configuration file that was not read."""
    for row, _, sections in _answers(answer):
        yield from (f"{row.name}: {clause}" for clause in unreadable(ConfigDump(sections).text("files")))


def _websites(
    answer: Mapping[str, Section], facts: HostFacts, services: tuple[DeclaredService, ...], accidents: list[Accident]
) -> tuple[Website, ...]:  # fmt: skip
    """Return what answers to plain HTTP: what is declared, and of what runs the websites on ports it listens on."""
    found = [site for service in services for site in websites_of(service)]
    for row, pid, sections in _answers(answer):
        if pid:
            held = facts.ports_of(pid)
            ports = {port for _, port in held}  # none where the login may not see them
            sites = _guarded(accidents, row.websites, ConfigDump(sections, held))
            found += (site for site in sites if not ports or site.port in ports)
    return tuple(found)


def _answers(answer: Mapping[str, Section]) -> Iterator[tuple[Service, int, Mapping[str, Section]]]:
    """Yield what the host printed of each instance of a service we know."""
    rows = {re.sub(r"\W", "_", row.name): row for row in SERVICES}
    for (name, pid), sections in instances(answer).items():
        if name in rows:
            yield rows[name], pid, sections


def _config_test(section: Section) -> ConfigTest:
    if section.rc in _TIMED_OUT:
        return ConfigTest(section.command, ok=False, detail=f"it did not finish within {COMMAND_LIMIT_S} s")
    return ConfigTest(section.command, section.rc == 0, "" if section.rc == 0 else _short(section.text))


def _short(text: str) -> str:
    """Return what a program said stopped it, on one line: where it names errors these, else the end of all."""
    lines = [line.strip() for line in text.splitlines()]
    errors = [line for line in lines if re.search(r"emerg|error|fatal|denied|invalid|AH\d+", line, re.IGNORECASE)]
    return " ".join(errors or lines)[-_DETAIL:]


def _declared(services: tuple[DeclaredService, ...], facts: HostFacts) -> Iterator[FoundService]:
    for service in services:
        listeners = listeners_of(service)
        runs = any(facts.listening(one.port) for one in listeners)
        yield FoundService(service.name, -1 if runs else 0, None, None, listeners)


def _second_look(
    host: Host, found: Sequence[FoundService], facts: HostFacts, wishes: HostOptions
) -> dict[str, Section] | ProbeFailure:
    """Look at all named files, try unknown sockets and run the declared tests, all by one command.

    A host with more than 300 files costs one command more for each 300.
    """
    named = list(_named(found))
    tried = places_to_try(facts.sockets if wishes.discover else (), _claims(found, facts))
    rest = TRY + "".join(script_for_unknown_sockets(tried)) + "".join(_declared_tests(wishes))
    places = tuple(f"tls {place}" for place in tried)
    answers: dict[str, Section] = {}
    for start in range(0, max(len(named), 1), PER_COMMAND):
        part = named[start : start + PER_COMMAND]
        script = file_functions() + "".join(look_at(part)) + ("" if start else rest)
        answer = host.run(script_of(script, (*request_for(part), *(() if start else places))))
        if isinstance(answer, ProbeFailure):
            return answer
        answers |= answer
    return answers


def _declared_tests(wishes: HostOptions) -> Iterator[str]:
    for index, service in enumerate(wishes.services):
        if service.test:
            yield f"section test.{index} sh -c {shlex.quote(service.test)}\n"


def _claims(found: Sequence[FoundService], facts: HostFacts) -> set[tuple[str, int]]:
    """Return the (address, port) that known services hold or are configured to hold."""
    held = {place for one in found if one.pid > 0 for place in facts.ports_of(one.pid)}
    ports = {listener.port for one in found for listener in one.listeners}
    return held | {(address, port) for address, port, _ in facts.sockets if port in ports}


@dataclass(frozen=True, slots=True)
class _Outside:
    """What listens on a host, and why the service at an address and port was not inspected."""

    facts: HostFacts
    untrusted: Mapping[tuple[str, int], str]


def _finish(
    found: list[FoundService], second: Mapping[str, Section], wishes: HostOptions, outside: _Outside
) -> Iterator[FoundService]:
    """Yield what the second answer adds: unknown services, and in place of the declared ones those with their test."""
    named = enumerate(wishes.services)
    tests = {one.name: second[f"test.{index}"] for index, one in named if f"test.{index}" in second}
    for index, one in enumerate(list(found)):
        if one.name in tests and one.pid <= 0:
            test = _config_test(tests[one.name])
            found[index] = FoundService(one.name, one.pid, one.since, test, one.listeners)
    sockets = outside.facts.sockets if wishes.discover else ()
    claims = _claims(found, outside.facts)
    unknown = read_unknown_sockets(sockets, claims, second.get("unknown_sockets"))
    limits = untried(sockets, claims)
    if unknown or limits:
        marked = tuple(_with_reason(one, outside.untrusted) for one in unknown)
        yield FoundService("unknown", -1, None, None, marked, limits)


def _with_reason(listener: Listener, untrusted: Mapping[tuple[str, int], str]) -> Listener:
    reasons = (untrusted.get((address, listener.port)) for address in listener.addresses)
    return replace(listener, unread=(*listener.unread, *(reason for reason in reasons if reason)))


def _named(found: Sequence[FoundService]) -> list[NamedFile]:
    return list(dict.fromkeys(file for one in found for listener in one.listeners for file in listener.files))


def _missing(found: Sequence[FoundService], files: Mapping[NamedFile, InstalledFile]) -> tuple[str, ...]:
    said = [text for one in found for text in one.missing]
    said += [text for one in found for listener in one.listeners for text in listener.unread]
    return tuple(dict.fromkeys([*said, *missing_rights(files.values())]))


def _view(host: Host, facts: HostFacts, wishes: HostOptions, *, missing: tuple[str, ...] = ()) -> HostView:
    return HostView(
        host.label, host.hostspec, wishes.name or facts.fqdn, facts.addresses, wishes.addresses,
        facts.clock_offset_s, facts.is_cpanel, missing_rights=missing,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found on a host: its services, their files, and its panel."""

    found: Sequence[FoundService]
    files: Mapping[NamedFile, InstalledFile]
    panel: FoundPanel | None


def _targets(host: Host, view: HostView, facts: HostFacts, seen: _Seen) -> Iterator[Target]:
    inside = HostInside(host)
    founds = [Found(one.name, one.pid, listener) for one in seen.found for listener in one.listeners]
    by_place = {(one.name, one.pid): one for one in seen.found}
    for placed in endpoints_of(founds, host_name(view), facts, view):
        one, listener = by_place[placed.found.service, placed.found.pid], placed.found.listener
        installed = tuple(seen.files[named] for named in listener.files)
        agent = owner_of(installed, facts.acme_sh)
        word = seen.panel.word(one.name, installed) if seen.panel else None
        server = replace(_server(view, one, listener, installed), agent=agent, panel_service=word)
        yield Target(placed.endpoint, placed.addresses, placed.inside_addresses, server, inside)


def _server(view: HostView, one: FoundService, listener: Listener, installed: tuple[InstalledFile, ...]) -> HostView:
    """Return the view of one service through one of its listeners; without the owner of its certificate."""
    return replace(
        view, service=one.name, service_running=one.pid != 0, service_since=one.since, config_test=one.test,
        files=installed, snakeoil=is_snakeoil(installed),
        missing_rights=tuple(dict.fromkeys([*one.missing, *listener.unread, *missing_rights(installed)])),
    )  # fmt: skip
