"""The certificate, key and chain files that a service's configuration names: what is wrong with them, what fits what.

It reads no file: owner, mode and digests were taken on the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain as chained
from typing import Final

from audit.observation import FileFault, FileKind, HostView, InstalledFile, Observation
from audit.policy import Policy
from audit.policy.thresholds import Thresholds
from audit.verdict import Inconclusive, NotApplicable
from audit.x509.certificate import Certificate, read_certificate
from audit.x509.identifiers import covers_name, covers_names_of

BROKEN: Final[dict[FileFault, str]] = {
    "missing": "does not exist",
    "directory": "is a directory",
    "unparseable": "cannot be parsed",
    "empty": "is empty",
    "not-regular": "is not a regular file",
}
"""Faults that keep a service from its next start; a file that only the login cannot read is not one of them."""

_GROUP, _GROUP_READ, _GROUP_WRITE, _OTHER_READ, _OTHER_WRITE = 0o070, 0o040, 0o020, 0o004, 0o002


def files(server: HostView, *kinds: FileKind) -> tuple[InstalledFile, ...]:
    """Return the files of these kinds, in the order of the configuration."""
    return tuple(file for file in server.files if file.kind in kinds)


def leaves(server: HostView) -> tuple[tuple[InstalledFile, Certificate], ...]:
    """Return each certificate file that could be read, with its first certificate."""
    certificates = files(server, "certificate")
    return tuple((file, read_certificate(file.chain_der[0])) for file in certificates if file.chain_der)


def unread(server: HostView, *kinds: FileKind) -> tuple[str, ...]:
    """Say in a clause each what could not be read of the files of these kinds, and which right is missing."""
    named = files(server, *kinds)
    denied = (file for file in named if file.fault is not None and file.fault not in BROKEN)
    clauses = tuple(f"{file.path} cannot be read here: {file.detail or file.fault}" for file in denied)
    return clauses if named else server.missing_rights


def require_read(server: HostView, *kinds: FileKind) -> None:
    """End the check where files of these kinds are not named, are broken, or could not be read."""
    broken = broken_files(server, *kinds)
    if broken:
        raise Inconclusive("; ".join(broken), because="svc.config-missing-file")
    missing = unread(server, *kinds)
    if missing:
        raise Inconclusive("; ".join(missing))
    if not files(server, *kinds):
        raise NotApplicable(f"the configuration names no {' and no '.join(kinds)} file")


def broken_files(server: HostView, *kinds: FileKind) -> tuple[str, ...]:
    """Say in a clause each which file that the configuration names keeps the service from its next start."""
    return tuple(
        f"the {file.kind} file {file.path} {BROKEN[file.fault]}" + (f" ({file.detail})" if file.detail else "")
        for file in files(server, *kinds)
        if file.fault in BROKEN
    )


def uninstalled(server: HostView | None) -> tuple[str, ...]:
    """Say in a clause each which certificate is not there that a panel installs: it is had by installing one."""
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
        for file, leaf in leaves(observation.server)
        if leaf.der not in served
        and leaf.has_readable("dns_names", "not_before", "not_after")
        and covers_name(leaf, reference)
    )


def stale(server: HostView, served: Certificate) -> bool:
    """Tell whether what is served is in no certificate file: one of several (RSA and ECDSA) is enough."""
    return all(leaf != served for _, leaf in leaves(server))


def covering(server: HostView | None, reference: str) -> str | None:
    """Return the path of a certificate on the host that is valid for a name, or None."""
    found = leaves(server) if server else ()
    return next(
        (file.path for file, leaf in found if leaf.has_readable("dns_names") and covers_name(leaf, reference)), None
    )


def successor(server: HostView | None, served: Certificate) -> str | None:
    """Return the path of a certificate on the host for the same names that ends later than the served one, or None."""
    readable = ("not_after", "dns_names", "ip_addresses")
    for file, leaf in leaves(server) if server and served.has_readable(*readable) else ():
        if leaf.has_readable(*readable) and leaf.not_after > served.not_after and covers_names_of(leaf, served):
            return file.path
    return None


def bundles(server: HostView | None) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Yield the path and the certificates of every file on the host that holds any but a leaf alone."""
    for file in files(server, "chain", "certificate") if server else ():
        further = file.chain_der if file.kind == "chain" else file.chain_der[1:]
        if further:
            yield file.path, further


def pairs(server: HostView) -> tuple[tuple[InstalledFile, InstalledFile | None], ...]:
    """Return each certificate file with its key file: the next one that the configuration names, else the last."""
    found, pending = list[tuple[InstalledFile, InstalledFile | None]](), list[InstalledFile]()
    last_key: InstalledFile | None = None
    for file in server.files:
        if file.kind == "certificate":
            pending.append(file)
        elif file.kind == "key":
            last_key = file
            found += [(certificate, file) for certificate in pending]
            pending.clear()
    return (*found, *((certificate, last_key) for certificate in pending))


def fits(certificate: InstalledFile, key: InstalledFile) -> bool:
    """Tell whether the key is that of the first certificate in the file, by SPKI digest."""
    return read_certificate(certificate.chain_der[0]).spki_sha256 == key.spki_sha256


def key_elsewhere(server: HostView, certificate: InstalledFile) -> str | None:
    """Return what on the host has the certificate's key, or is a certificate in the file that has the named key."""
    matching = (key.path for key in files(server, "key") if key.spki_sha256 and fits(certificate, key))
    digests = {key.spki_sha256 for key in files(server, "key")}
    further = (read_certificate(der) for der in certificate.chain_der[1:])
    shuffled = (
        f"certificate {number} in {certificate.path}"
        for number, one in enumerate(further, 2)
        if one.has_readable("spki_sha256") and one.spki_sha256 in digests
    )
    return next(chained(matching, shuffled), None)


def clock_is_off(server: HostView | None, policy: Policy) -> bool:
    """Tell whether the host's clock is known to be wrong."""
    offset_s = (server.clock_offset_s or 0.0) if server else 0.0
    limit_s, _ = policy.least(lambda limits: limits.clock_offset_max_s)
    return bool(abs(offset_s) > limit_s)


def exposures(file: InstalledFile, service: str | None, limits: Thresholds) -> tuple[str, ...]:
    """Return one message per user or group, beside its owner and the service, that can read or replace a key file."""
    mode, found = file.mode or 0, list[str]()
    if mode & _OTHER_READ:
        found.append("every user may read it: treat the key as compromised, and replace it")
    if mode & _OTHER_WRITE:
        found.append("every user may write it")
    found += _group_exposures(file, _group_rights(file), service, limits)
    for kind, name, rights in _named(file):
        if name not in (*(limits.key_owners if kind == "user" else limits.key_groups), service):
            may = [what for right, what in (("r", "read"), ("w", "write")) if right in rights]
            found += [f"its ACL lets the {kind} {name} {what} it" for what in may]
    if file.owner not in (*limits.key_owners, service):
        found.append(f"it belongs to {file.owner}")
    if file.open_folder:
        found.append(f"others may write to the folder {file.open_folder} and replace it")
    return tuple(found)


def has_unread_acl(file: InstalledFile) -> bool:
    """Return whether an ACL that the host could not list may give rights to others than owner and group."""
    return file.acl is None and bool((file.mode or 0) & _GROUP)


def _group_exposures(
    file: InstalledFile, rights: str, service: str | None, limits: Thresholds
) -> Iterator[str]:  # fmt: skip
    is_admitted = file.group in (*limits.key_groups, service)
    if "r" in rights and not is_admitted:
        yield f"the group {file.group} may read it"
    if "w" in rights and (file.owner == "root" or not is_admitted):  # a daemon's own group may write the daemon's file
        yield f"the group {file.group} may write it"


def _group_rights(file: InstalledFile) -> str:
    """Return what the file's group may do; with an ACL the group's bits of the mode are the mask of others too."""
    mode = file.mode or 0
    if file.acl is None:
        return ""
    given = [rights for kind, name, rights in _entries(file) if kind == "group" and not name]
    return given[0] if given else ("r" if mode & _GROUP_READ else "") + ("w" if mode & _GROUP_WRITE else "")


def _named(file: InstalledFile) -> Iterator[tuple[str, str, str]]:
    return ((kind, name, rights) for kind, name, rights in _entries(file) if name)


def _entries(file: InstalledFile) -> Iterator[tuple[str, str, str]]:
    """Yield kind, name and rights of each entry of the ACL."""
    for entry in file.acl or ():
        kind, _, rest = entry.partition(":")
        name, _, rights = rest.rpartition(":")
        yield kind, name, rights
