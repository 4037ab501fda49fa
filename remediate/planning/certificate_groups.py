"""Which endpoints of a host have one certificate: by what they serve, and by the files they are configured with.

It knows nothing of findings: what is wrong with a certificate does not change who uses it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from remediate.cpanel.service_files import is_of_panel
from remediate.model.audit_results import ObservedEndpoint, ObservedFile

Identity = tuple[tuple[str, ...], str | None]
"""Names and SPKI digest of a certificate: what stays when it is renewed with its key, and when a copy of it is made."""


@dataclass(frozen=True, slots=True)
class Group:
    """The endpoints of one host that have one certificate, by id; there is at least one."""

    host: str
    hostspec: str
    members: tuple[ObservedEndpoint, ...]

    @property
    def is_panel(self) -> bool:
        """Whether they are a panel's own services."""
        return all(map(is_of_panel, self.members))


def group_by_certificate(seen: Iterable[ObservedEndpoint]) -> tuple[Group, ...]:
    """Return each endpoint that was found on a host in one group; hosts as a whole and what is outside in none."""
    members = sorted((one for one in seen if one.hostspec and one.label and not one.is_host), key=lambda m: m.endpoint)
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

    The key is that of the file where another is served: what is served then is not, or no longer, its own. A leaf
    without names, or none at all, is known by the name that it is served for.
    """
    keys = sorted({file.spki_sha256 for file in seen.files if file.kind == "key" and file.spki_sha256})
    spki = seen.spki_sha256 if seen.spki_sha256 in keys or not keys else keys[0]
    return seen.names or (seen.name,), spki


def used_files(seen: ObservedEndpoint) -> tuple[ObservedFile, ...]:
    """Return the files of the certificate that is served: all, but for a pair of another key (RSA beside ECDSA)."""
    keys = {file.spki_sha256 for file in seen.files if file.kind == "key"}
    if seen.spki_sha256 is None or seen.spki_sha256 not in keys or len(keys) == 1:  # a key may not be readable either
        return seen.files
    return tuple(_of_key(seen.files, seen.spki_sha256))


def _of_key(files: tuple[ObservedFile, ...], spki_sha256: str) -> Iterator[ObservedFile]:
    """Yield the key, the certificates whose next key (else the last) it is, and every chain file."""
    for place, file in enumerate(files):
        following = [one for one in files[place:] if one.kind == "key"]
        key = following[0] if following else next(one for one in reversed(files) if one.kind == "key")
        if file.kind == "chain" or key.spki_sha256 == spki_sha256:
            yield file


def _traits(seen: ObservedEndpoint) -> Iterator[Hashable]:
    """Yield what only users of one certificate have in common on a host.

    What has a copy of a panel's certificate is not one of the panel's services: another agent may own it.
    """
    place = seen.label, is_of_panel(seen)
    yield place, identity(seen)
    for file in used_files(seen):
        if file.kind == "certificate":
            yield place, file.path


def _root(parent: dict[Hashable, Hashable], trait: Hashable) -> Hashable:
    """Return what stands for all that a trait has been joined with; the way there is shortened."""
    path = []
    while parent.get(trait, trait) != trait:
        path.append(trait)
        trait = parent[trait]
    for passed in path:
        parent[passed] = trait
    parent.setdefault(trait, trait)
    return trait
