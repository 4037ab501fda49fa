"""Finds what makes a case wait: findings that would make its repair fail, hosts outside the run, old results.

Each is a blocker: a cause, and a sentence that a person can act on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from audit.analysis.reachability import NOT_STARTED
from audit.endpoint import is_host_id, wildcard_or_name
from audit.evaluation.result import Result
from audit.text import duration, join_limited
from audit.verdict import Remedy, Severity, Verdict
from remediate.model.audit_results import AuditResults
from remediate.model.case import VALIDATED, Case, Repair
from remediate.model.causes import Cause, cause_of_check
from remediate.model.options import RunLimits
from remediate.model.plan import Blocker
from remediate.planning.fleet import Fleet

_ORDERS: Final = VALIDATED | {Repair.RUN_OWNER}
_NAME_INVALID: Final = "host.name-invalid"
_RESOLUTION: Final = "dns."
_VALIDATION: Final = "dcv."
_OF_PANELS: Final = (_RESOLUTION, _NAME_INVALID, "dcv.http-unreachable", "dcv.redirect-illegal")
"""Findings of a host that prevent no repair but that of a panel's certificate."""
_WITHOUT_CERTIFICATE: Final = ("svc.certificate-missing", "svc.config-missing-file")
_NETWORK_STAGES: Final = frozenset({"resolve", "connect"})  # stages of a probe before the TLS handshake
_VERIFIED_BY_HANDSHAKE: Final = frozenset(Repair) - {Repair.HOST}
_PREVENTS: Final[tuple[tuple[str, frozenset[Repair]], ...]] = (
    ("dns.not-this-host", _VERIFIED_BY_HANDSHAKE),  # another host responds there
    (_RESOLUTION, _ORDERS),
    ("dcv.firewall-narrow", frozenset()),  # the CA is allowed; a report says that other addresses are not
    (_VALIDATION, _ORDERS),
    (_NAME_INVALID, _ORDERS),
    ("ops.clock-skew", _VERIFIED_BY_HANDSHAKE),  # by a wrong clock, valid certificates look expired or not yet valid
    ("cert.not-yet-valid", _VERIFIED_BY_HANDSHAKE),  # caused by the clock only if its remedy is the host
    ("svc.unreachable", _VERIFIED_BY_HANDSHAKE),  # nothing could be verified afterwards
)
"""The beginning of a check's id, and the repairs that its finding prevents. The first match counts."""


def blockers_of(case: Case, evidence: AuditResults, fleet: Fleet) -> Iterator[Blocker]:
    """Yield every blocker of a case except old results and limits of the run."""
    if not evidence.is_complete:
        yield Blocker(Cause.PLAN_UNFINISHED, "the audit did not finish, so its results are incomplete")
    if unfinished := evidence.unfinished.intersection(case.endpoints):
        again = "run the audit again without -k, -m, --lf and --audit-check"
        yield Blocker(Cause.PLAN_UNFINISHED, f"not all checks were run on {join_limited(sorted(unfinished))}: {again}")
    yield from endpoint_blockers(case, evidence, fleet)
    yield from _finding_blockers(case, evidence, (f"{case.host}/",))
    if case.repair in VALIDATED:
        yield from _name_blockers(case)
        yield from _other_host_blockers(case, fleet)


def endpoint_blockers(case: Case, evidence: AuditResults, fleet: Fleet) -> Iterator[Blocker]:
    """Yield the blockers of the endpoints of a case, without those of its whole host."""
    yield from _finding_blockers(case, evidence, case.endpoints)
    if case.repair in _VERIFIED_BY_HANDSHAKE:
        yield from _configuration_blockers(case, fleet)


def staleness(case: Case, evidence: AuditResults, run_limits: RunLimits, now: datetime) -> Iterator[Blocker]:
    """Yield why the results of a case cannot be used: they are old, or from a clock that differs from ours."""
    if text := _staleness(case, evidence, run_limits, now):
        yield Blocker(Cause.PLAN_OLD_EVIDENCE, text)


def _staleness(case: Case, evidence: AuditResults, run_limits: RunLimits, now: datetime) -> str | None:
    times = [evidence.seen[endpoint].observed_at for endpoint in case.endpoints]
    known_times = [time for time in times if time is not None]
    if len(known_times) < len(times):
        return "the time of its observation is not known"
    if max(known_times) - now > run_limits.future:
        return f"its observation is {duration(max(known_times) - now)} in the future, so one of the clocks is wrong"
    if now - min(known_times) > run_limits.max_age:
        age, limit = duration(now - min(known_times)), duration(run_limits.max_age)
        return f"the audit is {age} old (limit {limit}): run the audit again"
    return None


def _finding_blockers(case: Case, evidence: AuditResults, endpoints: Iterable[str]) -> Iterator[Blocker]:
    """Yield the findings that prevent the repair of a case; the same finding of several endpoints once."""
    reported = set[tuple[str, str]]()
    for endpoint in endpoints:
        for result in evidence.by_endpoint.get(endpoint, ()):
            if _prevents(result, case, evidence) and (result.check, result.message) not in reported:
                reported.add((result.check, result.message))
                text = f"{result.endpoint}: {result.check}: {result.message}"
                yield Blocker(cause_of_check(result.check), text)


def _prevents(result: Result, case: Case, evidence: AuditResults) -> bool:
    if result.check == "svc.unreachable" and result.detail.get("because") == NOT_STARTED:
        return case.repair in _VERIFIED_BY_HANDSHAKE
    if result.verdict is not Verdict.FAIL or result.severity.rank < Severity.MEDIUM.rank:
        return False
    start, prevented = next((row for row in _PREVENTS if result.check.startswith(row[0])), ("", frozenset[Repair]()))
    if case.repair not in prevented:
        return False
    if start in (_RESOLUTION, _VALIDATION) and case.repair in VALIDATED and not case.validated_on:
        return False  # its issuer fetches no file
    if start in (_RESOLUTION, _VALIDATION) and _is_given_up(result, case, evidence):
        return False  # no CA looks for the name
    if is_host_id(result.endpoint) and result.check.startswith(_OF_PANELS):
        return case.is_panel  # the host's own name is only in a panel's certificate; the self-test fetches a real file
    if result.check == "cert.not-yet-valid":
        return result.remedy is Remedy.HOST
    if result.check != "svc.unreachable":
        return True
    has_no_certificate = any(evidence.verdict(result.endpoint, check) is Verdict.FAIL for check in _WITHOUT_CERTIFICATE)
    may_not_start = case.is_panel and has_no_certificate  # a service may not start without a certificate
    return _has_no_connection(result) and not may_not_start


def _is_given_up(result: Result, case: Case, evidence: AuditResults) -> bool:
    """Return whether a finding is about a name that the new certificate will not have."""
    seen = evidence.seen.get(result.endpoint)
    return seen is not None and not seen.is_host and wildcard_or_name(seen.name) not in case.names


def _has_no_connection(result: Result) -> bool:
    """Return whether no connection was made; a handshake that fails may be caused by the certificate."""
    stages = result.detail.get("stages")
    return isinstance(stages, list) and not _NETWORK_STAGES.isdisjoint(stages)


def _configuration_blockers(case: Case, fleet: Fleet) -> Iterator[Blocker]:
    """Yield what prevents a reload of the services, except faults of files that the case itself replaces."""
    for service in case.services:
        for endpoint, fault in fleet.unloadable.get((case.host, service), ()):
            if endpoint not in case.endpoints or not (case.repair in VALIDATED or case.is_panel):
                text = f"{service} would not load its configuration: {endpoint}: {fault}"
                yield Blocker(Cause.PLAN_UNLOADABLE, text)


def _name_blockers(case: Case) -> Iterator[Blocker]:
    """Yield why no order can be placed for the names of a case: it has none, or a file cannot validate one."""
    if not case.names:
        yield Blocker(Cause.PLAN_NO_NAME, "the configuration gives up every name of the certificate (drop_names)")
    for validation in case.validated_on:
        if validation.name.startswith("*."):
            why = "a wildcard cannot be validated by a file (Baseline Requirements 3.2.2.4.18)"
            yield Blocker(Cause.PLAN_WILDCARD, f"{validation.name} needs DNS validation: {why}")


def _other_host_blockers(case: Case, fleet: Fleet) -> Iterator[Blocker]:
    for validation in case.validated_on:
        elsewhere = fleet.elsewhere(validation.name)
        if elsewhere and not case.is_panel:  # a panel is validated at the first address, which the self-test checks
            addresses = join_limited(elsewhere)
            text = (f"{validation.name} leads to {addresses} too, which is not a host of this run: the file for the CA "
                    "cannot be there")  # fmt: skip
            yield Blocker(Cause.PLAN_ELSEWHERE, text)
        for host in validation.hosts:
            if host != case.host and host in fleet.excluded_hosts:
                reason = fleet.excluded_hosts[host]
                text = f"{validation.name} is served by {host} too, where nothing is changed: {reason}"
                yield Blocker(Cause.PLAN_LEFT_ALONE, text)
