"""Finds with few connections what policies forbid: each client offers one kind of suites, groups or schemes alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, get_args

from audit.observation.tls_registry import TLS12, TLS13, CipherSuite
from audit.observation.tls_support import Offer
from audit.probe.connections import ProbeConnections
from audit.probe.tls_probes.client_hello import ClientHello
from audit.probe.tls_probes.enumeration import accepted_flight
from audit.probe.tls_probes.found_support import FoundSupport, group_of, groups_of_leaves
from audit.probe.tls_probes.offers import (
    HYBRID_GROUPS,
    TLS13_SUITES,
    WEAK_GROUPS,
    WEAK_SCHEMES,
    suites_where,
)
from audit.probe.tls_probes.server_flight import FirstFlight

MOST_CONNECTIONS: Final = 10
"""To one address, with those of its first handshakes. SSLv3 and SSLv2 take two more."""


def try_what_is_forbidden(connections: ProbeConnections, found: FoundSupport) -> None:
    """Note what the server refuses, the most dangerous kinds first; raises ProbeError. Flights show what it accepts."""
    for offer in get_args(Offer):
        hello = _hello(connections, offer, found)
        is_left_out = hello is not None and connections.count >= MOST_CONNECTIONS
        if not is_left_out and not (hello and _accepts(offer, accepted_flight(connections, hello))):
            found.refused.append(offer)


def _accepts(offer: Offer, flight: FirstFlight | None) -> bool:
    """Return whether a server accepts an offer. The group of its certificate was offered beside the weak ones."""
    return flight is not None and (offer != "weak-groups" or group_of(flight) in WEAK_GROUPS)


def _hello(connections: ProbeConnections, offer: Offer, found: FoundSupport) -> ClientHello | None:
    """Return the hello of an offer, None if the server has no version in which it exists."""
    client = connections.client
    if offer == "hybrid-groups":
        return client.offering(TLS13, TLS13_SUITES, groups=HYBRID_GROUPS) if TLS13 in found.suites else None
    version = found.newest_before_tls13
    if version is None or (offer == "weak-schemes" and version < TLS12):
        return None
    accepts, groups, schemes = _OFFERS[offer]
    if groups:
        groups = (*groups, *groups_of_leaves(connections.flights))
    return client.offering(version, suites_where(accepts), groups=groups, schemes=schemes)


def _is_broken(suite: CipherSuite) -> bool:
    return suite.is_broken


def _is_static(suite: CipherSuite) -> bool:
    return not (suite.is_broken or suite.is_ephemeral)


def _is_weak(suite: CipherSuite) -> bool:
    return not suite.is_broken and suite.is_weak


def _is_finite_field(suite: CipherSuite) -> bool:
    return not suite.is_broken and suite.exchange == "DHE"


def _is_elliptic(suite: CipherSuite) -> bool:
    return not suite.is_broken and suite.exchange == "ECDHE"


_OFFERS: Final[dict[Offer, tuple[Callable[[CipherSuite], bool], Sequence[int] | None, Sequence[int] | None]]] = {
    "broken": (_is_broken, None, None),
    "finite-field": (_is_finite_field, None, None),
    "weak-groups": (_is_elliptic, WEAK_GROUPS, None),
    "static": (_is_static, None, None),
    "weak": (_is_weak, None, None),
    "weak-schemes": (_is_elliptic, None, WEAK_SCHEMES),
}
"""By kind of those before TLS 1.3: the suites, and the groups and schemes if they are not all."""
