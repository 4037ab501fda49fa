"""Judges the certificate, key and chain files of a service's configuration, also compared with what is served.

Owner, mode and digests were read on the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from audit.analysis import Exempt, Obstacle, Uncertain
from audit.analysis.addresses import brief, leaf_of, with_host
from audit.analysis.host_facts import not_inspected
from audit.observation import FileFault, FileKind, HostView, InstalledFile, Observation
from audit.text import format_utc, join_clauses, join_limited
from audit.x509.certificate import Certificate, read_certificate
from audit.x509.identifiers import covers_name, covers_names_of

BROKEN: Final[dict[FileFault, str]] = {
    "missing": "does not exist",
    "directory": "is a directory",
    "unparseable": "cannot be parsed",
    "empty": "is empty",
    "not-regular": "is not a regular file",
}
"""Faults that prevent a restart of the service; a file that only the login cannot read is not one of them."""


def files(server: HostView, *kinds: FileKind) -> tuple[InstalledFile, ...]:
    """Return the files of these kinds, in the order of the configuration."""
    return tuple(file for file in server.files if file.kind in kinds)


def installed_leaves(server: HostView) -> tuple[tuple[InstalledFile, Certificate], ...]:
    """Return each certificate file that can be read, with its first certificate."""
    certificates = files(server, "certificate")
    return tuple((file, read_certificate(file.chain_der[0])) for file in certificates if file.chain_der)


def unread_files(server: HostView, *kinds: FileKind) -> tuple[str, ...]:
    """Return one message per file of these kinds that could not be read; without one the missing rights."""
    named = files(server, *kinds)
    denied = (file for file in named if file.fault is not None and file.fault not in BROKEN)
    messages = tuple(f"{file.path} cannot be read here: {file.detail or file.fault}" for file in denied)
    return messages if named else server.missing_rights


def file_obstacle(server: HostView, *kinds: FileKind) -> Obstacle | None:
    """Return whether files of these kinds are broken, could not be read, or are not named; None if they were read."""
    broken = broken_files(server, *kinds)
    if server.not_inspected:
        return not_inspected(server)
    if broken:
        return Uncertain(join_clauses(broken), because="svc.config-missing-file")
    missing = unread_files(server, *kinds)
    if missing:
        return Uncertain(join_clauses(missing))
    return None if files(server, *kinds) else Exempt(f"the configuration names no {' and no '.join(kinds)} file")


def broken_files(server: HostView, *kinds: FileKind) -> tuple[str, ...]:
    """Return one message per file of the configuration with which the service cannot start again."""
    return tuple(
        f"the {file.kind} file {file.path} {BROKEN[file.fault]}" + (f" ({file.detail})" if file.detail else "")
        for file in files(server, *kinds)
        if file.fault in BROKEN
    )


def unloadable_reason(server: HostView) -> Obstacle | None:
    """Return why it is not known which files the service would load at its next start; None if it is known."""
    hidden = [file for file in server.files if file.fault in ("denied", "too-large")]
    obstacle = None if server.files and not hidden else file_obstacle(server, "certificate", "key", "chain")
    if obstacle or server.config_test is None or server.config_test.ok:
        return obstacle
    test = server.config_test
    return Uncertain(f"it is not known what the next start would load: {test.command} fails: {test.detail}")


def uninstalled(observation: Observation) -> tuple[str, ...]:
    """Return one message per missing certificate of a panel's service that serves nothing; installing one fixes it."""
    server = None if observation.handshakes else observation.server
    named = files(server, "certificate") if server and server.panel_service else ()
    return tuple(f"{file.path} does not exist" for file in named if file.fault == "missing")


def unserved(observation: Observation) -> tuple[tuple[InstalledFile, Certificate], ...]:
    """Return the configured certificates for the endpoint's name that no address serves: the next start uses them."""
    if observation.server is None or not observation.handshakes:
        return ()
    served = {handshake.chain_der[0] for handshake in observation.every_handshake if handshake.chain_der}
    reference = observation.endpoint.reference
    return tuple(
        (file, leaf)
        for file, leaf in installed_leaves(observation.server)
        if leaf.der not in served
        and leaf.has_readable("dns_names", "not_before", "not_after")
        and covers_name(leaf, reference)
    )


def expired_unserved(observation: Observation, now: datetime) -> list[str]:
    """Return one message per certificate that is configured, not served yet, and expired."""
    return [
        f"{file.path}, which is not served yet, expired {format_utc(leaf.not_after)}"
        for file, leaf in unserved(observation)
        if leaf.not_after < now
    ]


def early_unserved(observation: Observation, latest: datetime) -> list[str]:
    """Return one message per certificate that is configured, not served yet, and begins after an instant."""
    return [
        f"{file.path}, which is not served yet, is valid only from {format_utc(leaf.not_before)} on"
        for file, leaf in unserved(observation)
        if leaf.not_before > latest
    ]


def is_not_installed(server: HostView, served: Certificate) -> bool:
    """Return whether a served certificate is in none of the certificate files (of RSA and ECDSA one is enough)."""
    return all(leaf != served for _, leaf in installed_leaves(server))


def differing_leaves(server: HostView, observation: Observation) -> dict[str, Certificate]:
    """Return the served leaves that are in no certificate file of the service, by address of the host."""
    others = with_host(observation.other_key_handshakes, server)
    handshakes = (*with_host(observation.handshakes, server), *others)
    served = ((handshake.address, leaf_of(handshake)) for handshake in handshakes)
    return {address: leaf for address, leaf in served if leaf and is_not_installed(server, leaf)}


def no_installed_leaf(server: HostView) -> Obstacle | None:
    """Return why no certificate file of the service could be read; None if one was read."""
    return None if installed_leaves(server) else file_obstacle(server, "certificate")


def reload_obstacle(server: HostView, observation: Observation, now: datetime) -> Obstacle | None:
    """Return why it is not known that a reload would serve a valid certificate; None if it is known."""
    obstacle = file_obstacle(server, "certificate") if unread_files(server, "certificate") else None
    if not obstacle and server.unread:
        return Uncertain(join_clauses(server.unread))
    waiting = [leaf for _, leaf in unserved(observation)]
    if obstacle or not waiting or any(leaf.not_after >= now for leaf in waiting):
        return obstacle
    return Uncertain("the installed certificate has expired, and a reload would serve it", because="cert.expired")


def described_difference(differing: Mapping[str, Certificate], server: HostView) -> str:
    """Return what is served and what is installed instead, and until when each is valid."""
    seen = [f"{address} serves {brief(leaf)}" for address, leaf in differing.items()]
    installed = [f"{file.path} is {brief(leaf)}" for file, leaf in installed_leaves(server)]
    return f"{join_limited(seen)}; {join_limited(installed)}: reload {server.service or 'the service'}"


def covering(server: HostView | None, reference: str) -> str | None:
    """Return the path of a certificate on the host that is valid for a name, or None."""
    leaves = installed_leaves(server) if server else ()
    return next(
        (file.path for file, leaf in leaves if leaf.has_readable("dns_names") and covers_name(leaf, reference)), None
    )


def successor(server: HostView | None, served: Certificate) -> str | None:
    """Return the path of a certificate on the host for the same names that ends later than the served one, or None."""
    readable = ("not_after", "dns_names", "ip_addresses")
    for file, leaf in installed_leaves(server) if server and served.has_readable(*readable) else ():
        if leaf.has_readable(*readable) and leaf.not_after > served.not_after and covers_names_of(leaf, served):
            return file.path
    return None


def bundles(server: HostView | None) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Yield path and certificates of every file on the host that holds more than a leaf."""
    for file in files(server, "chain", "certificate") if server else ():
        further = file.chain_der if file.kind == "chain" else file.chain_der[1:]
        if further:
            yield file.path, further
