"""What it means that an endpoint was not reached, or not at every address, and which finding stands for it.

It reaches nothing. One fault gives one finding: a name without an address is `dns.unresolvable`, a service that speaks
without TLS is `svc.plaintext`, and every other fault on the way to a handshake is `svc.unreachable`.
"""

from __future__ import annotations

from typing import Final

from audit.observation import DnsStatus, Observation, ProbeFailure
from audit.verdict import Inconclusive

UNREACHABLE: Final = "svc.unreachable"
PLAINTEXT: Final = "svc.plaintext"
UNRESOLVABLE: Final = "dns.unresolvable"

NOT_RESOLVED: Final[tuple[DnsStatus, ...]] = ("nxdomain", "no-address", "servfail", "timeout")
_WITHOUT_TLS: Final = ("not-offered", "plaintext")
_SAYS_NOTHING: Final = ("no-family", "busy")
"""Faults of this machine or of the moment: they tell nothing of the server."""


def is_plaintext(failure: ProbeFailure) -> bool:
    """Tell whether the service was reached and does not offer TLS."""
    return failure.kind in _WITHOUT_TLS


def is_unresolved(observation: Observation) -> bool:
    """Tell whether the resolver was asked and gave no address."""
    return observation.dns is not None and observation.dns.status in NOT_RESOLVED


def cause_of(observation: Observation) -> str:
    """Return the id of the finding that stands for the missing handshake."""
    if observation.failure is not None and is_plaintext(observation.failure):
        return PLAINTEXT
    return UNRESOLVABLE if is_unresolved(observation) and not observation.addresses else UNREACHABLE


def unreached(observation: Observation) -> Inconclusive:
    """Return what every check that needs a handshake ends with where there was none."""
    failure = observation.failure
    why = described(failure) if failure else "nothing was observed on the wire"
    return Inconclusive(f"there was no handshake to judge: {why}", because=cause_of(observation))


def described(failure: ProbeFailure) -> str:
    """Return a failure in words: where, at which stage, how."""
    where = ", ".join(filter(None, (failure.address, failure.stage)))
    return f"{where}: {failure.detail or failure.kind}"


def missed(observation: Observation) -> tuple[ProbeFailure, ...]:
    """Return the failures at addresses; a name that does not resolve and a lack of TLS are findings of their own."""
    return tuple(
        failure
        for failure in observation.failures
        if not is_plaintext(failure) and not (failure.stage == "resolve" and is_unresolved(observation))
    )


def says_something(failure: ProbeFailure) -> bool:
    """Tell whether a failure is the server's, rather than this machine's, the moment's or the login's."""
    return failure.kind not in _SAYS_NOTHING and failure.stage not in ("login", "host")
