"""Returns why an endpoint or host was not reached, or not at every address, and which finding reports it.

One fault gives one finding: a name without an address is `dns.unresolvable`, a service without TLS is `svc.plaintext`,
one that was not started is `svc.not-started` of its host, and every other fault on the way to a handshake is
`svc.unreachable`.
"""

from __future__ import annotations

from typing import Final

from audit.analysis import Uncertain
from audit.observation import DnsStatus, Observation, ProbeFailure
from audit.text import join_clauses, join_limited

UNREACHABLE: Final = "svc.unreachable"
NOT_STARTED: Final = "svc.not-started"
PLAINTEXT: Final = "svc.plaintext"
UNRESOLVABLE: Final = "dns.unresolvable"

NOT_RESOLVED: Final[tuple[DnsStatus, ...]] = ("nxdomain", "no-address", "servfail", "timeout")
_WITHOUT_TLS: Final = ("not-offered", "plaintext")
_NOT_OF_SERVER: Final = ("no-family", "busy", "proxy-protocol")
"""Faults of this machine, of the moment, or of the way past a load balancer, which are not faults of the server."""


def is_plaintext(failure: ProbeFailure) -> bool:
    """Return whether the service was reached and does not offer TLS."""
    return failure.kind in _WITHOUT_TLS


def is_unresolved(observation: Observation) -> bool:
    """Return whether the name was looked up and the resolver returned no address."""
    return observation.dns is not None and observation.dns.status in NOT_RESOLVED


def cause_of(observation: Observation) -> str:
    """Return the id of the finding that reports the missing handshake."""
    if observation.failure is not None and is_plaintext(observation.failure):
        return PLAINTEXT
    if is_unresolved(observation) and not observation.addresses:
        return UNRESOLVABLE
    server = observation.server
    return NOT_STARTED if server and server.service in server.not_started else UNREACHABLE


def no_handshake(observation: Observation) -> Uncertain | None:
    """Return why there is no handshake to judge; None if there is one."""
    return None if observation.handshakes else unreached(observation)


def unreached(observation: Observation) -> Uncertain:
    """Return why no handshake was completed."""
    failure = observation.failure
    why = described(failure) if failure else "nothing was observed on the wire"
    return Uncertain(f"there was no handshake to judge: {why}", because=cause_of(observation))


def reported_elsewhere(observation: Observation) -> Uncertain | None:
    """Return why there is no handshake if another finding than `svc.unreachable` reports it."""
    return None if cause_of(observation) == UNREACHABLE else no_handshake(observation)


def described(failure: ProbeFailure) -> str:
    """Return the message of a failure: address, stage, detail."""
    place = ", ".join(filter(None, (failure.address, failure.stage)))
    return f"{place}: {failure.detail or failure.kind}"


def missed(observation: Observation) -> tuple[ProbeFailure, ...]:
    """Return the failures at addresses; an unresolved name and a lack of TLS are findings of their own."""
    return tuple(
        failure
        for failure in observation.failures
        if not is_plaintext(failure) and not (failure.stage == "resolve" and is_unresolved(observation))
    )


def faults_of_server(observation: Observation) -> tuple[ProbeFailure, ...]:
    """Return the failures of the server itself, not of this machine, the login or a passing state."""
    return tuple(
        failure
        for failure in missed(observation)
        if failure.kind not in _NOT_OF_SERVER and failure.stage not in ("login", "host")
    )


def unreachable_message(observation: Observation) -> str:
    """Return one message for all failures of the server, and which addresses responded."""
    reached = [handshake.address for handshake in observation.handshakes]
    note = [f"{join_limited(reached)} answered"] if reached else []
    return join_clauses([*map(described, faults_of_server(observation)), *note])


def unreached_addresses(observation: Observation) -> Uncertain | None:
    """Return which addresses were not reached, which `svc.unreachable` reports; None if all were."""
    failures = missed(observation)
    return Uncertain(join_clauses([*map(described, failures)]), because=UNREACHABLE) if failures else None


def unobserved(observation: Observation) -> Uncertain | None:
    """Return which parts of the endpoint or host were not observed; None if all parts were."""
    endpoint, server = observation.endpoint, observation.server
    others = (f"a second certificate may be served: {described(failure)}" for failure in observation.other_key_failures)
    rights = server.missing_rights if endpoint.is_host and server else ()
    unseen = (*map(described, missed(observation)), *others, *rights)
    if unseen:
        return Uncertain(join_clauses(unseen))
    is_seen = bool(observation.handshakes) or endpoint.is_host
    return None if is_seen else Uncertain("nothing was observed on the wire")
