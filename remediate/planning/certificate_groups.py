"""Groups the endpoints of a host that use one certificate: by what they serve and by their configured files."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from remediate.cpanel.service_files import is_of_panel
from remediate.model.audit_results import ObservedEndpoint, ObservedFile

Identity = tuple[tuple[str, ...], str | None]
"""Names and SPKI digest of a certificate, which stay the same in a renewal with the same key and in a copy."""

_UNKNOWN: Final = "unknown"  # the service of a listener that an audit does not recognize


@dataclass(frozen=True, slots=True)
class Group:
    """The endpoints of one host that use one certificate, sorted by id; at least one."""

    host: str
    hostspec: str
    members: tuple[ObservedEndpoint, ...]

    @property
    def is_panel(self) -> bool:
        """Whether all members are a panel's own services."""
        return all(map(is_of_panel, self.members))

    @property
    def left_out(self) -> tuple[ObservedEndpoint, ...]:
        """The members of unknown services: they must not stop the repair of other members, which have files.

        An unknown service has no file that a repair could replace, as a proxy with a copy of the certificate.
        """
        with_files = {member.service for member in self.members if member.files or is_of_panel(member)}
        if not with_files:
            return tuple(member for member in self.members if member.service == _UNKNOWN)
        return tuple(member for member in self.members if member.service not in with_files)

    def without_left_out(self) -> Group:
        """Return the group of the other members."""
        return replace(self, members=tuple(member for member in self.members if member not in self.left_out))


def group_by_certificate(endpoints: Iterable[ObservedEndpoint]) -> tuple[Group, ...]:
    """Return each endpoint that was found on a host in one group, without hosts as a whole and endpoints outside."""
    on_hosts = (member for member in endpoints if member.hostspec and member.label and not member.is_host)
    members = sorted(on_hosts, key=lambda member: member.endpoint)
    parent: dict[Hashable, Hashable] = {}
    for member in members:
        for trait in _traits(member):
            parent[_root(parent, trait)] = _root(parent, member.endpoint)
    groups: dict[Hashable, list[ObservedEndpoint]] = {}
    for member in members:
        groups.setdefault(_root(parent, member.endpoint), []).append(member)
    return tuple(Group(str(group[0].label), str(group[0].hostspec), tuple(group)) for group in groups.values())


def identity(seen: ObservedEndpoint) -> Identity:
    """Return the identity of an endpoint's certificate.

    If the served key is not that of the key file, the key file counts: the served certificate is not, or no longer, the
    endpoint's own. Without a leaf, or names in it, the name of the endpoint counts.
    """
    keys = sorted({file.spki_sha256 for file in seen.files if file.kind == "key" and file.spki_sha256})
    spki = seen.spki_sha256 if seen.spki_sha256 in keys or not keys else keys[0]
    return seen.names or (seen.name,), spki


def used_files(seen: ObservedEndpoint) -> tuple[ObservedFile, ...]:
    """Return the files of the served certificate: all except those of another key (RSA beside ECDSA)."""
    keys = {file.spki_sha256 for file in seen.files if file.kind == "key"}
    if seen.spki_sha256 is None or seen.spki_sha256 not in keys or len(keys) == 1:  # a key may not be readable either
        return seen.files
    return tuple(_of_key(seen.files, seen.spki_sha256))


def _of_key(files: tuple[ObservedFile, ...], spki_sha256: str) -> Iterator[ObservedFile]:
    """Yield the key, the certificates before it (or, if no key follows, after it), and every chain file."""
    for index, file in enumerate(files):
        following = [candidate for candidate in files[index:] if candidate.kind == "key"]
        key = following[0] if following else next(candidate for candidate in reversed(files) if candidate.kind == "key")
        if file.kind == "chain" or key.spki_sha256 == spki_sha256:
            yield file


def _traits(seen: ObservedEndpoint) -> Iterator[Hashable]:
    """Yield the traits that only endpoints with the same certificate share on a host.

    A service with a copy of a panel's certificate is not one of the panel's services: another agent may own it.
    """
    scope = seen.label, is_of_panel(seen)
    yield scope, identity(seen)
    for file in used_files(seen):
        if file.kind == "certificate":
            yield scope, file.path


def _root(parent: dict[Hashable, Hashable], trait: Hashable) -> Hashable:
    """Return the root of the tree that a trait belongs to, and shorten the path to it (union-find)."""
    path = []
    while parent.get(trait, trait) != trait:
        path.append(trait)
        trait = parent[trait]
    for passed in path:
        parent[passed] = trait
    parent.setdefault(trait, trait)
    return trait
