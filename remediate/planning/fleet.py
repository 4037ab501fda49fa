"""Collects facts about all hosts of a run: the hosts that serve a name, the excluded hosts, and their addresses.

It uses audit results and the configuration, and resolves no name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from audit.text import join_limited
from audit.verdict import Verdict
from remediate.cpanel.service_files import is_of_panel
from remediate.model.audit_results import AuditResults, ObservedEndpoint
from remediate.model.case import Validation
from remediate.model.options import RunLimits, matches_any

SWITCHED_OFF: Final = "ops.management-disabled"
NOT_KNOWN: Final = "could not check whether repairs are disabled on the host itself"
SILENCING: Final = "/var/cpanel/ssl/disable_service_certificate_management"
"""The touch file by which an administrator also disables messages about expiry."""
_EXPIRES: Final = ("cert.expired", "cert.expiring", "cert.renewal-due")
_NOT_LOADABLE: Final = ("key.mismatch", "svc.config-missing-file")
_IMAGE_BACKENDS: Final = ("docker", "podman", "kubectl", "openshift")


@dataclass(frozen=True, slots=True)
class Fleet:
    """`excluded_hosts` has by label the reason why nothing is changed on a host, `serving` the hosts that serve a name.

    `unloadable` has by host and service the findings that prevent a reload of its configuration, with their endpoints.
    `resolved` has the addresses of each name, and `own_addresses` the known addresses of the hosts of this run.
    """

    excluded_hosts: Mapping[str, str]
    serving: Mapping[str, tuple[str, ...]]
    resolved: Mapping[str, tuple[str, ...]]
    own_addresses: frozenset[str]
    unloadable: Mapping[tuple[str, str], tuple[tuple[str, str], ...]]

    def validations(self, host: str, names: tuple[str, ...]) -> tuple[Validation, ...]:
        """Return for each name the hosts that serve it, including the host of the case."""
        return tuple(Validation(name, tuple(sorted({host, *self.serving.get(name, ())}))) for name in names)

    def elsewhere(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name that no host of this run has; nothing if the results do not show that.

        The self-test sends a request to every address before an order is placed.
        """
        if not self.own_addresses:
            return ()
        return tuple(address for address in self.resolved.get(name, ()) if address not in self.own_addresses)


def switched_off(files: Iterable[str]) -> str:
    """Return the message that repairs are disabled on a host, with the touch files of its administrator."""
    listed = join_limited(sorted(files))
    return f"repairs are disabled on the host itself: {listed or 'a file that says so'} exists"


def is_silenced(endpoint: str, check: str, evidence: AuditResults) -> bool:
    """Return whether the administrator disabled messages about this finding: a panel's certificate that expires."""
    seen = evidence.seen.get(endpoint)
    if check not in _EXPIRES or seen is None or not is_of_panel(seen):
        return False
    return SILENCING in _touch_files(f"{seen.label}/", evidence)


def fleet_of(evidence: AuditResults, run_limits: RunLimits) -> Fleet:
    """Return the facts about the hosts of the run that the results contain."""
    logged_into = [seen for seen in evidence.seen.values() if seen.hostspec and seen.label]
    serving: dict[str, set[str]] = {}
    resolved: dict[str, set[str]] = {}
    for seen in logged_into:
        serving.setdefault(seen.name, set()).add(str(seen.label))
        resolved.setdefault(seen.name, set()).update(seen.resolved or ())
    excluded = {str(seen.label): reason for seen in logged_into if (reason := _exclusion(seen, evidence, run_limits))}
    return Fleet(
        excluded_hosts=excluded,
        serving={name: tuple(sorted(hosts)) for name, hosts in serving.items()},
        resolved={name: tuple(sorted(addresses)) for name, addresses in resolved.items()},
        own_addresses=frozenset(address for seen in logged_into for address in seen.own_addresses or ()),
        unloadable=_unloadable(logged_into, evidence),
    )


def _unloadable(
    logged_into: Iterable[ObservedEndpoint], evidence: AuditResults
) -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
    findings: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for seen in logged_into:
        for result in evidence.by_endpoint.get(seen.endpoint, ()):
            if result.check in _NOT_LOADABLE and result.verdict is Verdict.FAIL:
                findings.setdefault((str(seen.label), seen.service), []).append((seen.endpoint, result.message))
    return {place: tuple(faults) for place, faults in findings.items()}


def _exclusion(seen: ObservedEndpoint, evidence: AuditResults, run_limits: RunLimits) -> str | None:
    hostspec = str(seen.hostspec)
    if hostspec.partition("://")[0] in _IMAGE_BACKENDS:
        return "an image is not repaired from inside"
    if matches_any(hostspec, run_limits.excluded_hosts):
        return "repairs are disabled for this host in the configuration"
    return _why_disabled(f"{seen.label}/", evidence)


def _why_disabled(host: str, evidence: AuditResults) -> str | None:
    """Return why repairs are disabled on a host itself; None if it is not.

    A waiver makes no difference. If the check has no result, repairs count as disabled.
    """
    match evidence.verdict(host, SWITCHED_OFF):
        case Verdict.FAIL | Verdict.WAIVED:
            return switched_off(_touch_files(host, evidence))
        case Verdict.INCONCLUSIVE | Verdict.ERROR:
            return NOT_KNOWN
    return None


def _touch_files(host: str, evidence: AuditResults) -> tuple[str, ...]:
    """Return the touch files that exist on a host."""
    results = (result for result in evidence.by_endpoint.get(host, ()) if result.check == SWITCHED_OFF)
    values = (result.detail.get("observed") for result in results)
    return tuple(str(path) for observed in values if isinstance(observed, list | tuple) for path in observed)
