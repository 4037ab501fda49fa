"""Counts on how many hosts, and in how many subscribers' certificates, one key is used: a leak affects all of them.

It keeps digests and labels, and no certificates. Hosts that serve one name are one service, whose replicas share its
key, and so are the services of one host. Two certificates belong to one subscriber if they share a registered domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from audit.endpoint import Endpoint
from audit.observation import Observation
from audit.policy.thresholds import Thresholds
from audit.text import join_limited
from audit.x509.certificate import Certificate, read_certificate
from audit.x509.public_suffix import registered_domain


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One use of a key: at an endpoint, on the host that `places` identify, for the domains of its certificate.

    Without domains it is a key file whose certificate was not seen.
    """

    spki_sha256: str
    endpoint: str
    places: tuple[str, ...]
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sharing:
    """How far a key is shared: the id of one endpoint for each host, and one domain for each subscriber."""

    hosts: tuple[str, ...] = ()
    subscribers: tuple[str, ...] = ()

    @property
    def is_shared(self) -> bool:
        """Whether the key is on several hosts, or of several subscribers."""
        return len(self.hosts) > 1 or len(self.subscribers) > 1


def key_uses(observation: Observation) -> tuple[KeyUse, ...]:
    """Return the keys that an endpoint was seen to serve, and those in the files of its service."""
    if observation.endpoint.is_host:
        return ()
    domains: dict[str, set[str]] = {}
    for file in observation.server.files if observation.server else ():
        if file.kind == "key" and file.spki_sha256:
            domains.setdefault(file.spki_sha256, set())
    ders = dict.fromkeys(handshake.chain_der[0] for handshake in observation.every_handshake if handshake.chain_der)
    for leaf in map(read_certificate, ders):
        if leaf.has_readable("spki_sha256"):
            domains.setdefault(leaf.spki_sha256, set()).update(_domains(leaf, observation.endpoint))
    endpoint, places = str(observation.endpoint), _places(observation)
    return tuple(KeyUse(digest, endpoint, places, tuple(sorted(names))) for digest, names in domains.items())


def sharing_of(uses: Iterable[KeyUse]) -> Sharing:
    """Return how far a key with these uses is shared."""
    ordered = sorted(uses, key=lambda use: use.endpoint)
    hosts = _first_of_each(ordered, lambda use: use.places)
    subscribers = _first_of_each((use for use in ordered if use.domains), lambda use: use.domains)
    return Sharing(tuple(use.endpoint for use in hosts), tuple(use.domains[0] for use in subscribers))


def reuse_faults(sharing: Sharing, limits: Thresholds) -> tuple[str, ...]:
    """Return one message per limit that the sharing of a key exceeds."""
    return tuple(_too_far(sharing, limits))


def _too_far(sharing: Sharing, limits: Thresholds) -> Iterator[str]:
    hosts, subscribers = len(sharing.hosts), len(sharing.subscribers)
    if 0 < limits.key_hosts_max < hosts:
        yield (f"the key is on {hosts} hosts of different names ({join_limited(sharing.hosts)}); "
               f"the limit is {limits.key_hosts_max}")  # fmt: skip
    if 0 < limits.key_subscribers_max < subscribers:
        yield (f"the key is in certificates of {subscribers} subscribers ({join_limited(sharing.subscribers)}); "
               f"the limit is {limits.key_subscribers_max}")  # fmt: skip


def _places(observation: Observation) -> tuple[str, ...]:
    """Return the name, and what identifies the host: its label and own addresses, else every address connected to.

    The address of a host that was logged into may be a load balancer's, and then does not identify it.
    """
    endpoint, server = observation.endpoint, observation.server
    if server is None:
        return (endpoint.name, *observation.addresses)
    own = {*server.addresses, *server.configured_addresses}
    return (endpoint.name, f"{server.label}/", *(address for address in observation.addresses if address in own))


def _domains(leaf: Certificate, endpoint: Endpoint) -> set[str]:
    names = leaf.dns_names if leaf.has_readable("dns_names") else ()
    addresses = leaf.ip_addresses if leaf.has_readable("ip_addresses") else ()
    domains = {registered_domain(name.removeprefix("*.")) for name in names} | set(map(str, addresses))
    return domains or {endpoint.name}


def _first_of_each(uses: Iterable[KeyUse], labels: Callable[[KeyUse], tuple[str, ...]]) -> tuple[KeyUse, ...]:
    """Return the first use of each group; the uses of a group are connected by labels that they share."""
    parent: dict[str, str] = {}

    def root(label: str) -> str:
        while parent.setdefault(label, label) != label:
            parent[label] = parent[parent[label]]
            label = parent[label]
        return label

    listed = list(uses)
    for use in listed:
        first, *others = labels(use)
        for other in others:
            parent[root(other)] = root(first)
    firsts: dict[str, KeyUse] = {}
    for use in listed:
        firsts.setdefault(root(labels(use)[0]), use)
    return tuple(firsts.values())
