"""Judges the key files of a service: which certificate each belongs to, and who can read or replace it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain as chained

from audit.analysis import Obstacle, Uncertain
from audit.analysis.installed_files import file_obstacle, files, unread_files
from audit.observation import HostView, InstalledFile
from audit.policy import Policy
from audit.policy.thresholds import Thresholds
from audit.text import join_limited
from audit.x509.certificate import read_certificate

_GROUP, _GROUP_READ, _GROUP_WRITE, _OTHER_READ, _OTHER_WRITE = 0o070, 0o040, 0o020, 0o004, 0o002


def pairs(server: HostView) -> tuple[tuple[InstalledFile, InstalledFile | None], ...]:
    """Return each certificate file with its key file: the next one that the configuration names, else the last."""
    known, pending = list[tuple[InstalledFile, InstalledFile | None]](), list[InstalledFile]()
    last_key: InstalledFile | None = None
    for file in server.files:
        if file.kind == "certificate":
            pending.append(file)
        elif file.kind == "key":
            last_key = file
            known += [(certificate, file) for certificate in pending]
            pending.clear()
    return (*known, *((certificate, last_key) for certificate in pending))


@dataclass(frozen=True, slots=True)
class KeyMismatch:
    """Paths of a certificate and a key that do not belong together, and the place of the matching half, if known."""

    certificate: str
    key: str
    place: str | None

    def __str__(self) -> str:
        """Return the message."""
        return f"{self.key} is not the key of {self.certificate}"


def key_mismatches(server: HostView) -> tuple[KeyMismatch, ...]:
    """Return the configured pairs of certificate and key that do not belong together."""
    return tuple(
        KeyMismatch(leaf.path, key.path, _matching_half(server, leaf))
        for leaf, key in _known_pairs(server)
        if not _fits(leaf, key)
    )


def unknown_pairs(server: HostView) -> Obstacle | None:
    """Return why it is not known whether all configured keys fit their certificates; None if it is."""
    if _known_pairs(server) and not unread_files(server, "certificate", "key"):
        return None
    return file_obstacle(server, "certificate", "key")


def _known_pairs(server: HostView) -> list[tuple[InstalledFile, InstalledFile]]:
    return [(leaf, key) for leaf, key in pairs(server) if leaf.chain_der and key and key.spki_sha256]


def _fits(certificate: InstalledFile, key: InstalledFile) -> bool:
    """Return whether the key is that of the first certificate in the file, by SPKI digest."""
    return read_certificate(certificate.chain_der[0]).spki_sha256 == key.spki_sha256


def _matching_half(server: HostView, certificate: InstalledFile) -> str | None:
    """Return the file with the certificate's key, or the other certificate in its file that belongs to a named key."""
    matching = (key.path for key in files(server, "key") if key.spki_sha256 and _fits(certificate, key))
    digests = {key.spki_sha256 for key in files(server, "key")}
    further = (read_certificate(der) for der in certificate.chain_der[1:])
    misplaced = (
        f"certificate {number} in {certificate.path}"
        for number, member in enumerate(further, 2)
        if member.has_readable("spki_sha256") and member.spki_sha256 in digests
    )
    return next(chained(matching, misplaced), None)


def key_exposures(server: HostView, policy: Policy) -> tuple[tuple[str, str], ...]:
    """Return one message per exposure of a key file of the service, each with the profile whose rule it breaks."""
    keys = _keys_with_mode(server)
    return policy.faults(
        lambda limits: tuple(
            f"{key.path} ({key.mode:04o} {key.owner}:{key.group}): {exposure}"
            for key in keys
            for exposure in exposures(key, server.service, limits)
        )
    )


def unknown_permissions(server: HostView) -> Obstacle | None:
    """Return why it is not known who can read a key file; None if it is known for all of them."""
    keys = _keys_with_mode(server)
    hidden = [key.path for key in keys if has_unread_acl(key)]
    if hidden:
        return Uncertain(f"{join_limited(hidden)} has an ACL, and the host has no getfacl to list its entries")
    if keys and len(keys) == len(files(server, "key")):
        return None
    return file_obstacle(server, "key") or Uncertain("owner and mode of a key file could not be read")


def _keys_with_mode(server: HostView) -> list[InstalledFile]:
    return [file for file in files(server, "key") if file.mode is not None]


def exposures(file: InstalledFile, service: str | None, limits: Thresholds) -> tuple[str, ...]:
    """Return one message per user or group, other than owner and service, that can read or replace a key file."""
    mode, messages = file.mode or 0, list[str]()
    if mode & _OTHER_READ:
        messages.append("every user may read it: treat the key as compromised, and replace it")
    if mode & _OTHER_WRITE:
        messages.append("every user may write it")
    messages += _group_exposures(file, _group_rights(file), service, limits)
    for kind, name, rights in _named(file):
        if name not in (*(limits.key_owners if kind == "user" else limits.key_groups), service):
            may = [verb for right, verb in (("r", "read"), ("w", "write")) if right in rights]
            messages += [f"its ACL lets the {kind} {name} {verb} it" for verb in may]
    if file.owner not in (*limits.key_owners, service):
        messages.append(f"it belongs to {file.owner}")
    if file.open_folder:
        messages.append(f"others may write to the folder {file.open_folder} and replace it")
    return tuple(messages)


def has_unread_acl(file: InstalledFile) -> bool:
    """Return whether an ACL that the host could not list may give rights to others than owner and group."""
    return file.acl is None and bool((file.mode or 0) & _GROUP)


def _group_exposures(file: InstalledFile, rights: str, service: str | None, limits: Thresholds) -> Iterator[str]:
    is_admitted = file.group in (*limits.key_groups, service)
    if "r" in rights and not is_admitted:
        yield f"the group {file.group} may read it"
    if "w" in rights and (file.owner == "root" or not is_admitted):  # a daemon's own group may write the daemon's file
        yield f"the group {file.group} may write it"


def _group_rights(file: InstalledFile) -> str:
    """Return the rights of the file's group; with an ACL the group bits of the mode are the mask of its entries."""
    mode = file.mode or 0
    if file.acl is None:
        return ""
    group_rights = [rights for kind, name, rights in _entries(file) if kind == "group" and not name]
    return (
        group_rights[0] if group_rights else ("r" if mode & _GROUP_READ else "") + ("w" if mode & _GROUP_WRITE else "")
    )


def _named(file: InstalledFile) -> Iterator[tuple[str, str, str]]:
    return ((kind, name, rights) for kind, name, rights in _entries(file) if name)


def _entries(file: InstalledFile) -> Iterator[tuple[str, str, str]]:
    """Yield kind, name and rights of each entry of the ACL."""
    for entry in file.acl or ():
        kind, _, rest = entry.partition(":")
        name, _, rights = rest.rpartition(":")
        yield kind, name, rights
