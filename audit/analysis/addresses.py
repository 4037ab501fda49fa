"""Whose the addresses are that a name leads to, and whether they all serve the same.

It resolves and connects to nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

from audit.observation import Handshake, HostView, Observation
from audit.text import moment
from audit.x509.certificate import Certificate, read_certificate

_IN_THE_LAST_BITS: Final = tuple(
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
    """Return the leaf that was served; None where no certificate was."""
    return read_certificate(handshake.chain_der[0]) if handshake.chain_der else None


def own_addresses(server: HostView) -> tuple[str, ...]:
    """Return the addresses that are the host's: its interfaces', and those that the user says it is reached by."""
    return (*server.addresses, *server.configured_addresses)


def is_on_host(handshake: Handshake, server: HostView) -> bool:
    """Tell whether a handshake was certainly with that host."""
    return (
        handshake.from_host
        or handshake.address in own_addresses(server)
        or ipaddress.ip_address(handshake.address).is_loopback
    )


def with_host(handshakes: Iterable[Handshake], server: HostView) -> tuple[Handshake, ...]:
    """Return the handshakes with the host itself, or all where none is known to be (behind NAT)."""
    every = tuple(handshakes)
    return tuple(one for one in every if is_on_host(one, server)) or every


def direction(observation: Observation, server: HostView) -> Direction:
    """Tell whether the endpoint's name leads to the host: by address, else by the key that answers there.

    Unknown where nothing tells: behind NAT, with no address configured and the host's own key not seen.
    """
    resolved = set(observation.dns.addresses) if observation.dns else set()
    if resolved & set(own_addresses(server)):
        return "here"
    answering = _keys(one for one in observation.handshakes if one.address in resolved and not one.from_host)
    own = _own_keys(observation, server)
    if answering & own:
        return "here"
    is_reachable = bool(server.configured_addresses) or any(map(is_public, server.addresses))
    return "elsewhere" if is_reachable or (answering and own) else "unknown"


def is_public(address: str) -> bool:
    """Return whether an address can be reached from the Internet (IANA's special-purpose registries).

    An IPv6 address that holds an IPv4 address is as public as that.
    """
    return all(one.is_global for one in _meant(address))


def is_link_local(address: str) -> bool:
    """Return whether an address is, or holds, a link-local one: 169.254.0.0/16 or fe80::/10.

    Cloud providers give out credentials there.
    """
    return any(one.is_link_local for one in _meant(address))


def _meant(address: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    """Return the IPv4 addresses that an IPv6 address holds for whatever translates it, else the address itself."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return (parsed,)
    number = int(parsed)
    if parsed in _TRANSLATED_LOCALLY:  # by a prefix of 48, 56, 64 or 96 bits (RFC 6052 2.2), and public by none
        held = (
            (number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF,
            (number >> 64 & 0xFF) << 24 | number >> 32 & 0xFFFFFF,
        )
        return (parsed, *map(ipaddress.IPv4Address, (*held, number >> 24 & 0xFFFFFFFF, number & 0xFFFFFFFF)))
    if any(parsed in network for network in _IN_THE_LAST_BITS) and number > 1:  # 0 and 1 are `::` and `::1`
        return (ipaddress.IPv4Address(number & 0xFFFFFFFF),)
    if parsed.sixtofour is not None:
        return (parsed.sixtofour,)
    return parsed.teredo or (parsed,)


def leaves_by_address(observation: Observation) -> dict[str, list[str]]:
    """Return the addresses that served each leaf, sorted, by what tells the leaf from others to a person.

    Hosts that share a name and no key have a certificate each: another's counts as this one's where it is its twin.
    """
    found: dict[str, list[str]] = {}
    own = _own_leaves(observation)
    shown: dict[str, list[str]] = {}  # by address: it may serve one certificate for each type of key
    for handshake in sorted(observation.every_handshake, key=lambda one: one.address):
        leaf = leaf_of(handshake)
        same = next((one for one in own if leaf and _is_twin(leaf, one, observation.observed_at)), leaf)
        shown.setdefault(handshake.address, []).append(brief(same) if same else "no certificate")
    for address, leaves in shown.items():
        found.setdefault(" and ".join(sorted(dict.fromkeys(leaves))), []).append(address)
    return found


def _own_leaves(observation: Observation) -> tuple[Certificate, ...]:
    """Return what the host itself serves; nothing where that is not all the same, or no host is known."""
    server = observation.server
    mine = [one for one in observation.handshakes if server and is_on_host(one, server)]
    leaves = {leaf.sha256: leaf for one in mine if (leaf := leaf_of(one))}
    return tuple(leaves.values()) if len(leaves) == 1 else ()


def _is_twin(leaf: Certificate, own: Certificate, at: datetime) -> bool:
    """Tell whether a leaf is in force and differs from a host's own in its key and its time alone."""
    facts = ("canonical_issuer", "dns_names", "ip_addresses", "not_before", "not_after", "spki_sha256")
    if not all(one.has_readable(fact) for one in (leaf, own) for fact in facts):
        return False
    is_same = all(_as_set(leaf, fact) == _as_set(own, fact) for fact in ("dns_names", "ip_addresses"))
    is_of_same_issuer = leaf.canonical_issuer == own.canonical_issuer and leaf.spki_sha256 != own.spki_sha256
    return is_same and is_of_same_issuer and leaf.not_before <= at <= leaf.not_after


def _as_set(leaf: Certificate, fact: str) -> frozenset[str]:
    return frozenset(getattr(leaf, fact))


def brief(leaf: Certificate) -> str:
    """Return the beginning of a leaf's SHA-256, which tells it from others, and its end."""
    until = f" (until {moment(leaf.not_after)})" if leaf.has_readable("not_after") else ""
    return f"{leaf.sha256[:16]}…{until}"


def _own_keys(observation: Observation, server: HostView) -> set[str]:
    """Return the SPKI digests of the certificates in the service's files and of those served by the host itself."""
    installed = {read_certificate(file.chain_der[0]) for file in server.files if file.chain_der}
    served = _keys(one for one in observation.handshakes if is_on_host(one, server))
    return served | {leaf.spki_sha256 for leaf in installed if leaf.has_readable("spki_sha256")}


def _keys(handshakes: Iterable[Handshake]) -> set[str]:
    leaves = (leaf_of(handshake) for handshake in handshakes)
    return {leaf.spki_sha256 for leaf in leaves if leaf and leaf.has_readable("spki_sha256")}
