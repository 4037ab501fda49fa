"""Explains the findings that no repair fixes: what a person has to do, or may leave as it is."""

from __future__ import annotations

from typing import Final

from audit.evaluation.result import Result
from audit.verdict import Remedy, Severity, Verdict
from remediate.model.audit_results import AuditResults
from remediate.model.case import Repair
from remediate.model.plan import Kind, NotRepairable
from remediate.planning.fleet import SWITCHED_OFF, Fleet

REPAIRS: Final = {
    Remedy.REKEY: Repair.REKEY,
    Remedy.REISSUE: Repair.REISSUE,
    Remedy.RECHAIN: Repair.RECHAIN,
    Remedy.RELOAD: Repair.RELOAD,
    Remedy.HOST: Repair.HOST,
}
FILE_MODES: Final = "key.permissions"
"""The only finding about a host that is repaired; its administrator sets its name and its clock."""
FOREIGN: Final = "ops.foreign-agent"

_FOR_A_PERSON: Final[dict[Remedy, tuple[Kind, str]]] = {
    Remedy.CONFIGURE: ("configure", "the configuration has to be changed; a new certificate does not fix this"),
    Remedy.DNS: ("dns", "the zone has to be changed; a new certificate does not fix this"),
    Remedy.MANUAL: ("manual", "a person has to investigate this"),
    Remedy.NONE: ("manual", "no fix is known"),
}


def not_repairable(result: Result, evidence: AuditResults, fleet: Fleet) -> NotRepairable | None:
    """Return why a result that is not a pass is not repaired; None for a finding that a repair would fix."""
    kind_and_why = _of_verdict(result) or _of_remedy(result) or _of_place(result, evidence, fleet)
    if kind_and_why is None:
        return None
    return NotRepairable(result.endpoint, result.check, *kind_and_why, result.message)


def _of_verdict(result: Result) -> tuple[Kind, str] | None:
    waiver = result.waiver
    if result.verdict is Verdict.WAIVED:
        return "waived", f"waived by {waiver.owner} until {waiver.expires}: {waiver.reason}" if waiver else "waived"
    if result.verdict is not Verdict.FAIL:
        return "unknown", f"the check has no result ({result.verdict})"
    if result.check == SWITCHED_OFF:
        return "switched-off", "repairs are disabled on the host itself"
    if result.check == FOREIGN:
        return "foreign", "that agent renews it"
    return None


def _of_remedy(result: Result) -> tuple[Kind, str] | None:
    if result.remedy in _FOR_A_PERSON:
        return _FOR_A_PERSON[result.remedy]
    if result.severity is Severity.INFO:
        return "note", "severity info: reported, and not changed"
    if result.remedy is Remedy.HOST and result.check != FILE_MODES:
        return "host", "the administrator of the host has to change this"
    return None


def _of_place(result: Result, evidence: AuditResults, fleet: Fleet) -> tuple[Kind, str] | None:
    seen = evidence.seen.get(result.endpoint)
    if result.host is None or seen is None or seen.hostspec is None:
        return "outside", "observed only from outside: there is no login to its host"
    if seen.is_host:
        return "host", "it concerns the host as a whole"
    excluded = fleet.excluded_hosts.get(str(seen.label))
    if excluded is not None:
        return "switched-off", excluded
    if seen.is_elsewhere(result.leaf_sha256):
        return "no-help", "the certificate is served at addresses that are not this host's"
    is_of_addresses = result.check == "svc.multi-address" and result.remedy is Remedy.RELOAD
    if is_of_addresses and evidence.verdict(result.endpoint, "svc.disk-vs-wire") is Verdict.PASS:
        return "no-help", "this host serves the installed certificate, and a reload would not change that"
    return None
