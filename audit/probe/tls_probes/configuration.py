"""Surveys the TLS configuration of the server at one address, after its first handshakes."""

from __future__ import annotations

from typing import Final

from audit.observation import Handshake
from audit.observation.tls_registry import SSL2, SSL2_SUITES, SSL3, VERSIONS
from audit.observation.tls_support import Depth, TlsSupport
from audit.probe.connections import ProbeConnections
from audit.probe.tcp import ProbeError
from audit.probe.tls_probes.enumeration import Choices, accepted_flight
from audit.probe.tls_probes.forbidden_offers import try_what_is_forbidden
from audit.probe.tls_probes.found_support import FoundSupport
from audit.probe.tls_probes.full_lists import list_everything, list_suites
from audit.probe.tls_probes.offers import every_suite

_NUMBERS: Final = {name: number for number, name in VERSIONS.items()}
_NO_SSL2: Final = ("closed", "refused", "alert", "garbage")


def survey(connections: ProbeConnections, first: Handshake, depth: Depth) -> TlsSupport:
    """Return what the server supports. A fault that is not a refusal ends the survey; what was found before stays."""
    names = (first.version, *(("TLSv1.2",) if first.tls12 else ()), *(first.old_protocols or ()))
    found = FoundSupport({number: Choices() for number in sorted(_NUMBERS[name] for name in {*names} & {*_NUMBERS})})
    fault = ""
    try:
        (list_everything if depth == "full" else try_what_is_forbidden)(connections, found)
        _find_ssl3(connections, found, depth)
        _find_ssl2(connections, found)
    except ProbeError as error:
        fault = str(error)
    return found.support(depth, connections.count, connections.flights, fault)


def _find_ssl3(connections: ProbeConnections, found: FoundSupport, depth: Depth) -> None:
    if accepted_flight(connections, connections.client.offering(SSL3, every_suite())):
        found.add_version(SSL3, Choices())
        if depth == "full":
            list_suites(connections, found, SSL3)


def _find_ssl2(connections: ProbeConnections, found: FoundSupport) -> None:
    """Note SSLv2. It comes last, because some servers of TLS never respond to its hello."""
    try:
        suites = connections.ssl2(tuple(SSL2_SUITES))
    except ProbeError as fault:
        if fault.stage != "handshake" or fault.kind not in _NO_SSL2:
            raise
        suites = None
    if suites is not None:
        found.add_version(SSL2, Choices(suites, is_all=True))
