"""Compares what discovery found on a host with what its daemon serves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from audit.observation.website import VALIDATION, Docroot
from audit.probe.target import Target
from audit.services.virtual_hosts import docroot_of
from bench.field.discovered import Discovered, discover_on
from bench.field.machine import NAME, Machine
from bench.field.oracle import Observed, Question, TlsSocket, observe
from tests.support.hosts.host import HostFile

Kind = Literal["tests", "sockets", "certificates", "docroots"]
Result = Literal["right", "named", "missed", "wrong"]
_RESULTS: Final[tuple[Result, ...]] = ("right", "named", "missed", "wrong")
FILE: Final = "0B" * 16 + ".txt"
_NAMES: Final = re.compile(
    r"^\s*(?:server_name|ServerName|ServerAlias|local_name|Use\s+\S+)\s+(.+?);?\s*(?:[{#].*)?$", re.MULTILINE
)
_FOLDERS: Final = re.compile(r"""^\s*(?:root|DocumentRoot|alias|Alias\s+\S+)\s+["']?([^\s"';]+)""", re.MULTILINE)
_USUAL_FOLDERS: Final = (
    "/var/www/html",
    "/usr/share/nginx/html",
    "/usr/share/nginx",
    "/etc/nginx/html",
    "/usr/htdocs",
    "/etc/apache2/htdocs",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A fact that the daemon shows or discovery claims, and how they agree."""

    kind: Kind
    result: Result
    what: str


def compare(machine: Machine) -> tuple[Comparison, ...]:
    """Return everything that can be compared on a host."""
    names = _names(machine)
    found = discover_on(machine.host)
    _plant(machine, found, names)
    addresses = (*machine.addresses, "::1")
    requests = tuple((name, f"{VALIDATION}{FILE}") for name in names)
    observed = observe(machine.host.first_pid, Question(addresses, names, requests))
    return (
        *_tests(found, machine),
        *_expected(found, machine),
        *_sockets(found, observed),
        *_certificates(found, observed, machine.configuration.daemon),
        *(_docroots(found, observed, names) if machine.configuration.daemon in ("nginx", "apache") else ()),
    )


def _names(machine: Machine) -> tuple[str, ...]:
    """Return the names in the configuration, a label for each wildcard, the host's own, and one that no site has."""
    words = [word.strip("\"'") for line in _NAMES.findall(machine.text) for word in line.split()]
    names = [word.replace("*", "www", 1).lstrip(".") for word in words]
    usable = [name.lower() for name in names if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z]+", name)]
    expected = machine.configuration.expected or {}
    declared = [endpoint["name"] for endpoint in expected.get("endpoints", ()) if endpoint["name"]]
    known = [name for name in (*declared, *expected.get("docroots", ())) if re.fullmatch(r"[a-z0-9.-]+", name)]
    return tuple(dict.fromkeys((*usable[:20], *known, NAME, "unknown.example.invalid")))


def _plant(machine: Machine, found: Discovered, names: tuple[str, ...]) -> None:
    """Put a file into every directory that may be served, with the directory as its content."""
    folders = [*_USUAL_FOLDERS, *(folder.rstrip("/") for folder in _FOLDERS.findall(machine.text) if "$" not in folder)]
    folders = [folder if folder.startswith("/") else f"/usr/share/nginx/{folder}" for folder in folders]
    docroots = [docroot_of(found.view.websites, name) for name in names] if found.view else []
    places = {f"{folder}{VALIDATION}": folder for folder in folders}
    places |= {f"{folder}/": folder for folder in folders}
    places |= {f"{docroot}/": docroot.folder for docroot in docroots if isinstance(docroot, Docroot)}
    machine.host.write(*(HostFile(f"{place}{FILE}", place) for place in places))


def _tests(found: Discovered, machine: Machine) -> Iterator[Comparison]:
    """Yield whether discovery says that the daemon refuses its configuration."""
    if not machine.is_accepted:
        reported: Result = "right" if _is_named(found, machine.configuration.daemon, "fails") else "missed"
        yield Comparison("tests", reported, "the daemon's own test of its configuration fails")


def _expected(found: Discovered, machine: Machine) -> Iterator[Comparison]:
    """Yield the endpoints that a case expects though its daemon does not start."""
    endpoints = (machine.configuration.expected or {}).get("endpoints", ()) if not machine.started else ()
    for endpoint in endpoints:
        targets = [target for target in found.targets if target.endpoint.port == endpoint["port"]]
        paths = {file.path for target in targets if target.server for file in target.server.files}
        is_found = bool(targets) and endpoint["certificate"] in {None, *paths}
        yield Comparison("certificates", "right" if is_found else "missed", f"expected {endpoint}")


def _sockets(found: Discovered, observed: Observed) -> Iterator[Comparison]:
    """Yield each socket that speaks TLS, and each that was found but does not listen, or speaks another protocol.

    A port that listens without TLS is an endpoint too: the audit finds there that TLS is not offered.
    """
    served = {(row.scheme, row.port) for row in observed.sockets}
    claimed = {(target.endpoint.scheme, target.endpoint.port) for target in found.targets if _is_running(target)}
    for scheme, port in sorted(served):
        is_found = (scheme, port) in claimed or ("tls", port) in claimed
        result: Result = "right" if is_found else "named" if _is_named(found, f"port {port}") else "missed"
        yield Comparison("sockets", result, f"{scheme} {port}")
    for scheme, port in sorted(claimed - served):
        if port not in observed.ports or (scheme != "tls" and port in {port for _, port in served}):
            yield Comparison("sockets", "wrong", f"{scheme} {port} was found, and nothing like it listens")
    for row in observed.sockets:
        needing = [target for target in found.targets if target.endpoint.port == row.port]
        if row.needs_proxy and not any(target.proxy_protocol != "never" for target in needing):
            yield Comparison("sockets", "wrong", f"{row.scheme} {row.port} expects the PROXY protocol")


def _is_running(target: Target) -> bool:
    """Return whether a target is of a daemon that runs; the others of the overlay are installed and not started."""
    return target.server is None or target.server.service_running is not False


def _is_named(found: Discovered, *words: str) -> bool:
    """Return whether one reason names all of these words."""
    return any(all(word in reason for word in words) for reason in found.unread)


def _certificates(found: Discovered, observed: Observed, daemon: str) -> Iterator[Comparison]:
    """Yield each leaf that a port serves, and each claim of discovery that is wrong."""
    for port in sorted({row.port for row in observed.sockets}):
        rows = [row for row in observed.sockets if row.port == port]
        targets = [target for target in found.targets if target.endpoint.port == port]
        claimed = {leaf for target in targets for leaf in _leaves(target)}
        for leaf in dict.fromkeys(leaf for row in rows for leaf in row.leaves.values()):
            names = sorted({name or "no name" for row in rows for name in row.leaves if row.leaves[name] == leaf})
            unclaimed: Result = "named" if _is_named(found, daemon) else "missed"
            yield Comparison(
                "certificates", "right" if leaf in claimed else unclaimed, f"{port} serves one to {names[:3]}"
            )
        for target in targets:
            if any(_contradicts(target, row) for row in rows):
                yield Comparison("certificates", "wrong", f"{target.endpoint}: another one is served")


def _contradicts(target: Target, served: TlsSocket) -> bool:
    """Return whether a socket serves a target's name a leaf that is in none of its files."""
    claimed = _leaves(target)
    addresses = (*target.addresses, *target.inside_addresses)
    shown = served.leaves.get(target.endpoint.name)
    return bool(claimed and shown) and shown not in claimed and served.address in addresses


def _leaves(target: Target) -> set[str]:
    files = target.server.files if target.server else ()
    return {hashlib.sha256(file.chain_der[0]).hexdigest() for file in files if file.chain_der}


def _docroots(found: Discovered, observed: Observed, names: tuple[str, ...]) -> Iterator[Comparison]:
    websites = found.view.websites if found.view else ()
    addresses = sorted({key.split()[0] for key in observed.bodies})
    for name in names:
        results = [
            _docroot(observed, address, name, docroot_of(websites, name, address=address)) for address in addresses
        ]
        if results:
            yield max(results, key=lambda row: _RESULTS.index(row.result))


def _docroot(observed: Observed, address: str, name: str, reported: Docroot | str) -> Comparison:
    body = observed.bodies.get(f"{address} {name} {VALIDATION}{FILE}")
    what = f"{name} at {address} is served from {body or 'no directory'}, found: {str(reported)[:160]}"
    return Comparison("docroots", docroot_result(body, reported), what)


def docroot_result(body: str | None, reported: Docroot | str) -> Result:
    """Return how the folder that a response shows agrees with the one that was found, or with why there is none."""
    if isinstance(reported, Docroot):
        return "right" if body == f"{reported}/" else "wrong"
    return "missed" if body else "right"
