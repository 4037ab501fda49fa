"""Finds whether a name leads to the host that was logged into, and whether all its addresses serve one certificate."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from audit.analysis import Exempt, Obstacle, Uncertain
from audit.analysis.reachability import UNRESOLVABLE, is_unresolved
from audit.observation import DnsView, Handshake, HostView, Observation
from audit.text import format_utc, join_clauses, join_limited
from audit.x509.certificate import Certificate, read_certificate

_IPV4_IN_LAST_BITS: Final = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "::ffff:0:0/96",  # IPv4-mapped (RFC 4291 2.5.5.2)
            "::/96",  # IPv4-compatible (RFC 4291 2.5.5.1)
            "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765 2.1)
            "64:ff9b::/96",  # NAT64 (RFC 6052 2.1)
        ),
    )
)
_TRANSLATED_LOCALLY: Final = ipaddress.IPv6Network("64:ff9b:1::/48")  # RFC 8215

Direction = Literal["here", "elsewhere", "unknown"]


def leaf_of(handshake: Handshake) -> Certificate | None:
    """Return the leaf that was served; None if no certificate was."""
    return read_certificate(handshake.chain_der[0]) if handshake.chain_der else None


def own_addresses(server: HostView) -> tuple[str, ...]:
    """Return the addresses of the host: those of its interfaces, and those that the user configured for it."""
    return (*server.addresses, *server.configured_addresses)


def is_on_host(handshake: Handshake, server: HostView) -> bool:
    """Return whether a handshake was certainly with that host."""
    return (
        handshake.from_host
        or handshake.address in own_addresses(server)
        or ipaddress.ip_address(handshake.address).is_loopback
    )


def with_host(handshakes: Iterable[Handshake], server: HostView) -> tuple[Handshake, ...]:
    """Return the handshakes with the host itself, or all if no handshake is known to be with it (behind NAT)."""
    every = tuple(handshakes)
    return tuple(handshake for handshake in every if is_on_host(handshake, server)) or every


def direction(observation: Observation, server: HostView) -> Direction:
    """Return whether the endpoint's name leads to the host: by address, else by the key that is served there.

    It is unknown behind NAT, with no address configured, if the host's own key was not seen.
    """
    resolved = set(observation.dns.addresses) if observation.dns else set()
    if resolved & set(own_addresses(server)):
        return "here"
    answering = _keys(
        handshake for handshake in observation.handshakes if handshake.address in resolved and not handshake.from_host
    )
    own = _own_keys(observation, server)
    if answering & own:
        return "here"
    is_reachable = bool(server.configured_addresses) or any(map(is_public, server.addresses))
    return "elsewhere" if is_reachable or (answering and own) else "unknown"


def resolved_name(observation: Observation) -> DnsView | Obstacle:
    """Return what the endpoint's name resolves to, or why there is no address to compare."""
    if observation.dns is None or observation.dns.status == "not-asked":
        return Exempt("there is no name to resolve")
    if is_unresolved(observation):
        return Uncertain("the name has no address that could be compared", because=UNRESOLVABLE)
    return observation.dns


def unknown_direction(observation: Observation, server: HostView) -> Uncertain | None:
    """Return why it is not known whether the name leads to the host, and what to do; None if it is known."""
    if observation.dns is None or direction(observation, server) != "unknown":
        return None
    resolved, own = join_limited(observation.dns.addresses), join_limited(own_addresses(server)) or "none"
    fix = 'if it is behind NAT, configure the addresses by which it is reached: [host."…"] addresses = [...]'
    return Uncertain(f"the name leads to {resolved}, and the host's own addresses are {own}: {fix}")


@dataclass(frozen=True, slots=True)
class LeafDifference:
    """Which leaves differ, as a message, which is empty if all agree; and the leaves by address, or the reverse."""

    message: str
    observed: dict[str, list[str]]


def leaf_difference(observation: Observation) -> LeafDifference:
    """Return which leaves an address serves in turn, else which addresses serve different leaves."""
    changing = _changing_leaves(observation)
    if changing:
        served = [f"{address}: {' and '.join(leaves)}" for address, leaves in changing.items()]
        return LeafDifference(f"different certificates in turn: {join_clauses(served)}", changing)
    leaves = leaves_by_address(observation)
    is_same = len(leaves) == 1
    return LeafDifference("" if is_same else f"different certificates: {_described_leaves(leaves)}", leaves)


def _changing_leaves(observation: Observation) -> dict[str, list[str]]:
    """Return the leaves of each address that served a second connection of the same client another leaf."""
    first = {handshake.address: leaf_of(handshake) for handshake in observation.handshakes}
    pairs = {second.address: (first.get(second.address), leaf_of(second)) for second in observation.changed_handshakes}
    return {
        address: [brief(leaf) if leaf else "no certificate" for leaf in leaves] for address, leaves in pairs.items()
    }


def one_address_only(observation: Observation) -> Exempt | None:
    """Return a message if one address served one leaf, and no other was observed; None if there are more to compare."""
    if observation.changed_handshakes:
        return None
    seen = {*observation.addresses, *(handshake.address for handshake in observation.handshakes)}
    return Exempt("only one address was observed") if len(seen) < 2 else None


def leads_elsewhere(observation: Observation) -> Uncertain | None:
    """Return a message if the name leads to another host, which is a finding of its own; else None."""
    if observation.server is None or direction(observation, observation.server) != "elsewhere":
        return None
    return Uncertain("the name leads to another host than the one logged into", because="dns.not-this-host")


def is_public(address: str) -> bool:
    """Return whether an address can be reached from the Internet (IANA's special-purpose registries).

    An IPv6 address that holds an IPv4 address is public if the IPv4 address is.
    """
    return all(effective.is_global for effective in _effective_addresses(address))


def is_link_local(address: str) -> bool:
    """Return whether an address is or holds a link-local address: 169.254.0.0/16 or fe80::/10.

    Cloud providers serve credentials there.
    """
    return any(effective.is_link_local for effective in _effective_addresses(address))


def _effective_addresses(address: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    """Return the IPv4 addresses that an IPv6 address holds for a translator, else the address itself."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return (parsed,)
    number = int(parsed)
    if parsed in _TRANSLATED_LOCALLY:  # with a prefix of 48, 56, 64 or 96 bits (RFC 6052 2.2); never public itself
        held = (
            (number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF,
            (number >> 64 & 0xFF) << 24 | number >> 32 & 0xFFFFFF,
        )
        return (parsed, *map(ipaddress.IPv4Address, (*held, number >> 24 & 0xFFFFFFFF, number & 0xFFFFFFFF)))
    if any(parsed in network for network in _IPV4_IN_LAST_BITS) and number > 1:  # 0 and 1 are `::` and `::1`
        return (ipaddress.IPv4Address(number & 0xFFFFFFFF),)
    if parsed.sixtofour is not None:
        return (parsed.sixtofour,)
    return parsed.teredo or (parsed,)


def leaves_by_address(observation: Observation) -> dict[str, list[str]]:
    """Return the addresses that served each leaf, sorted, by the short form of the leaf.

    Hosts that share a name but no key have a certificate each: the twin of a host's own leaf counts as that leaf.
    """
    addresses_by_leaf: dict[str, list[str]] = {}
    own_leaves = _own_leaves(observation)
    shown: dict[str, list[str]] = {}  # by address, which may serve one certificate for each type of key
    for handshake in sorted(observation.every_handshake, key=lambda handshake: handshake.address):
        leaf = leaf_of(handshake)
        counted = next((own for own in own_leaves if leaf and _is_twin(leaf, own, observation.observed_at)), leaf)
        shown.setdefault(handshake.address, []).append(brief(counted) if counted else "no certificate")
    for address, leaves in shown.items():
        addresses_by_leaf.setdefault(" and ".join(sorted(dict.fromkeys(leaves))), []).append(address)
    return addresses_by_leaf


def _described_leaves(leaves: Mapping[str, Sequence[str]]) -> str:
    """Return which addresses served each leaf."""
    return join_clauses([f"{join_limited(addresses)}: {leaf}" for leaf, addresses in leaves.items()])


def _own_leaves(observation: Observation) -> tuple[Certificate, ...]:
    """Return the leaf that the host itself serves; nothing if it serves several, or if no host is known."""
    server = observation.server
    handshakes = [handshake for handshake in observation.handshakes if server and is_on_host(handshake, server)]
    leaves = {leaf.sha256: leaf for handshake in handshakes if (leaf := leaf_of(handshake))}
    return tuple(leaves.values()) if len(leaves) == 1 else ()


def _is_twin(leaf: Certificate, own: Certificate, at: datetime) -> bool:
    """Return whether a leaf is in force and differs from a host's own only in key and time."""
    facts = ("canonical_issuer", "dns_names", "ip_addresses", "not_before", "not_after", "spki_sha256")
    if not (leaf.has_readable(*facts) and own.has_readable(*facts)):
        return False
    is_same = all(_as_set(leaf, fact) == _as_set(own, fact) for fact in ("dns_names", "ip_addresses"))
    is_of_same_issuer = leaf.canonical_issuer == own.canonical_issuer and leaf.spki_sha256 != own.spki_sha256
    return is_same and is_of_same_issuer and leaf.not_before <= at <= leaf.not_after


def _as_set(leaf: Certificate, fact: str) -> frozenset[str]:
    return frozenset(getattr(leaf, fact))


def brief(leaf: Certificate) -> str:
    """Return the short form of a leaf: the beginning of its SHA-256, and when it ends."""
    until = f" (until {format_utc(leaf.not_after)})" if leaf.has_readable("not_after") else ""
    return f"{leaf.sha256[:16]}…{until}"


def _own_keys(observation: Observation, server: HostView) -> set[str]:
    """Return the SPKI digests of the certificates in the service's files, and of those that the host itself served."""
    installed = {read_certificate(file.chain_der[0]) for file in server.files if file.chain_der}
    served = _keys(handshake for handshake in observation.handshakes if is_on_host(handshake, server))
    return served | {leaf.spki_sha256 for leaf in installed if leaf.has_readable("spki_sha256")}


def _keys(handshakes: Iterable[Handshake]) -> set[str]:
    leaves = (leaf_of(handshake) for handshake in handshakes)
    return {leaf.spki_sha256 for leaf in leaves if leaf and leaf.has_readable("spki_sha256")}
