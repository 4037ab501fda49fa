"""Lists all suites of all versions, all groups and all signature schemes that a server supports."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from audit.observation.tls_registry import SSL3, TLS12, TLS13, suites
from audit.probe.connections import ProbeConnections
from audit.probe.tls_probes.client_hello import FALLBACK_SCSV
from audit.probe.tls_probes.enumeration import ChoiceKind, Choices, accepted_flight, choices, prefers_its_order
from audit.probe.tls_probes.found_support import FoundSupport, group_of, groups_of_leaves, scheme_of, suite_of
from audit.probe.tls_probes.offers import (
    ELLIPTIC_GROUPS,
    SCHEMES,
    TLS13_GROUPS,
    TLS13_SUITES,
    every_suite,
)


def list_everything(connections: ProbeConnections, found: FoundSupport) -> None:
    """Note all that the server supports; raises ProbeError, and what was found before stays."""
    for version in found.suites:
        list_suites(connections, found, version)
    if TLS13 in found.suites:
        _list_groups(connections, found)
    _list_curves(connections, found)
    _list_schemes(connections, found)
    _try_fallback(connections, found)


def list_suites(connections: ProbeConnections, found: FoundSupport, version: int) -> None:
    """Note all suites of a version, and whether the server has an order of its own; raises ProbeError."""
    client = connections.client
    kind = ChoiceKind(lambda rest: client.offering(version, rest), suite_of)
    found.suites[version] = choices(connections, kind, TLS13_SUITES if version == TLS13 else every_suite())
    found.prefers[version] = prefers_its_order(connections, kind, found.suites[version].numbers)


def _list_groups(connections: ProbeConnections, found: FoundSupport) -> None:
    client = connections.client
    kind = ChoiceKind(lambda rest: client.offering(TLS13, TLS13_SUITES, groups=rest), group_of)
    found.groups = choices(connections, kind, TLS13_GROUPS)
    found.prefers_its_groups = prefers_its_order(connections, kind, found.groups.numbers)


def _list_curves(connections: ProbeConnections, found: FoundSupport) -> None:
    """Add the groups of older versions that TLS 1.3 does not have."""
    version, of_tls13, has_tls13 = found.newest_before_tls13, found.groups, TLS13 in found.suites
    offered = _for_curves(found)
    if version is None or not offered:
        found.groups = Choices(of_tls13.numbers, is_all=of_tls13.is_all or not has_tls13)
        return
    kept = () if suites()[offered[0]].key == "RSA" else groups_of_leaves(connections.flights)
    offering = partial(connections.client.offering, version, offered)
    kind = ChoiceKind(lambda rest: offering(groups=(*_without(rest, kept), *kept)), group_of)
    listed = choices(connections, kind, [number for number in ELLIPTIC_GROUPS if number not in of_tls13.numbers])
    is_all = listed.is_all or (bool(kept) and found.prefers.get(version) is not True)
    found.groups = Choices((*of_tls13.numbers, *listed.numbers), is_all=is_all and (of_tls13.is_all or not has_tls13))
    if not has_tls13:
        ordered = ChoiceKind(lambda order: offering(groups=(*order, *_without(kept, order))), group_of)
        found.prefers_its_groups = prefers_its_order(connections, ordered, listed.numbers)


def _for_curves(found: FoundSupport) -> tuple[int, ...]:
    """Return the suites of ECDHE of the newest older version; those with RSA alone if there are any.

    A certificate with an EC key forbids to leave out its curve.
    """
    ephemeral = _ephemeral(found, found.newest_before_tls13, "ECDHE")
    return tuple(number for number in ephemeral if suites()[number].key == "RSA") or ephemeral


def _without(numbers: Sequence[int], others: Sequence[int]) -> tuple[int, ...]:
    return tuple(number for number in numbers if number not in others)


def _list_schemes(connections: ProbeConnections, found: FoundSupport) -> None:
    """List the schemes of TLS 1.2: in TLS 1.3 the scheme that a server chooses is encrypted."""
    signed = _ephemeral(found, TLS12, "ECDHE", "DHE") if TLS12 in found.suites else ()
    if signed:
        kind = ChoiceKind(lambda rest: connections.client.offering(TLS12, signed, schemes=rest), scheme_of)
        found.schemes = choices(connections, kind, SCHEMES)


def _try_fallback(connections: ProbeConnections, found: FoundSupport) -> None:
    """Note whether a client that falls back is refused (RFC 7507), if the server has an older version."""
    version = found.newest_before_tls13
    if version == max(found.suites):
        version = max((number for number in found.suites if SSL3 <= number < version), default=None)
    offered = found.suites[version].numbers if version is not None else ()
    if version is not None and offered:
        hello = connections.client.offering(version, (*offered, FALLBACK_SCSV))
        found.fallback_scsv = accepted_flight(connections, hello) is None


def _ephemeral(found: FoundSupport, version: int | None, *exchanges: str) -> tuple[int, ...]:
    """Return the suites of a version that have one of these key exchanges."""
    numbers = found.suites[version].numbers if version is not None else ()
    return tuple(number for number in numbers if number in suites() and suites()[number].exchange in exchanges)
