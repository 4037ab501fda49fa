"""What makes a case wait: findings that would make its repair fail, hosts that are not ours, evidence that is old.

It says which in a sentence a person can act on; it knows nothing of how many cases a run may repair.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from audit.checks import Remedy, Severity, Verdict
from audit.result import Result
from audit.words import duration, listing
from remediate.bounds import Bounds
from remediate.case import VALIDATED, Case, Repair
from remediate.evidence import Evidence
from remediate.surroundings import Surroundings

_ORDERING: Final = VALIDATED | {Repair.RUN_OWNER}
_PROVEN_ON_THE_WIRE: Final = frozenset(Repair) - {Repair.HOST}
_OBSTACLES: Final[tuple[tuple[str, frozenset[Repair]], ...]] = (
    ("dns.not-this-host", _PROVEN_ON_THE_WIRE),  # what answers there is not what is repaired
    ("dns.", _ORDERING),
    ("dcv.", _ORDERING),
    ("ops.clock-skew", _PROVEN_ON_THE_WIRE),  # by a wrong clock anything may look expired, or well
    ("cert.not-yet-valid", _PROVEN_ON_THE_WIRE),  # the clock's fault only where its remedy is the host
    ("svc.unreachable", _PROVEN_ON_THE_WIRE),  # nothing could be proven afterwards
)
"""The beginning of a check's id, and the repairs that its finding keeps from succeeding. The first that fits counts."""


def obstacles(case: Case, evidence: Evidence, around: Surroundings) -> Iterator[str]:
    """Yield a clause for each thing that keeps a case from being repaired now; old evidence and bounds apart."""
    if not evidence.is_complete:
        yield "the audit did not finish: what it would have found is not known"
    if left_out := evidence.unfinished.intersection(case.endpoints):
        yield f"not all checks were run on {listing(sorted(left_out))}: run it again without -k, -m and --lf"
    for endpoint in (*case.endpoints, f"{case.host}/"):
        for result in evidence.by_endpoint.get(endpoint, ()):
            if _keeps(result, case.repair):
                yield f"{result.endpoint}: {result.check}: {result.message}"
    if case.repair in _PROVEN_ON_THE_WIRE:
        yield from _of_neighbours(case, around)
    if case.repair in VALIDATED:
        yield from _of_other_hosts(case, around)


def out_of_date(case: Case, evidence: Evidence, bounds: Bounds, now: datetime) -> str | None:
    """Say why what a case was decided from is not of now: it is old, or from a clock that contradicts ours."""
    times = [evidence.seen[endpoint].observed_at for endpoint in case.endpoints]
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        return "it is not known when it was observed"
    if max(known) - now > bounds.future:
        return f"it was observed {duration(max(known) - now)} after now: one of the clocks is wrong"
    if now - min(known) > bounds.max_age:
        return f"it was observed {duration(now - min(known))} ago: observe it again first"
    return None


def _keeps(result: Result, repair: Repair) -> bool:
    if result.verdict is not Verdict.FAIL or result.severity.rank < Severity.MEDIUM.rank:
        return False
    kept = next((kept for beginning, kept in _OBSTACLES if result.check.startswith(beginning)), frozenset[Repair]())
    if repair not in kept:
        return False
    if result.endpoint.endswith("/") and result.check.startswith("dns."):
        return False  # about the host's own name: where the certificate has it, an endpoint says so too
    if result.check == "cert.not-yet-valid":
        return result.remedy is Remedy.HOST
    return result.check != "svc.unreachable" or _is_of_network(result)


def _is_of_network(result: Result) -> bool:
    """Tell whether an address could not even be connected to; a failing handshake may be the certificate's fault."""
    observed = result.detail.get("observed")
    kinds = observed if isinstance(observed, list) else [observed]
    return any(str(kind).startswith(("resolve", "connect")) for kind in kinds)


def _of_neighbours(case: Case, around: Surroundings) -> Iterator[str]:
    """Yield what keeps the services from loading their configuration again, but for what the case itself replaces."""
    for service in case.services:
        for endpoint, fault in around.unloadable.get((case.host, service), ()):
            if endpoint not in case.endpoints or case.repair not in VALIDATED:
                yield f"{service} would not load its configuration: {endpoint}: {fault}"


def _of_other_hosts(case: Case, around: Surroundings) -> Iterator[str]:
    for validation in case.validated_on:
        elsewhere = around.elsewhere(validation.name)
        if elsewhere:
            yield (f"{validation.name} leads to {listing(elsewhere)} too, which is no host of this run: the file for "
                   "the CA cannot be put there")  # fmt: skip
        for host in validation.hosts:
            if host != case.host and host in around.left_alone:
                yield f"{validation.name} is served by {host} too, where nothing is changed: {around.left_alone[host]}"
