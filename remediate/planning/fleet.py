"""The hosts of a run together: which of them serve a name, which are excluded, and which has an address.

All of it comes from audit results and configuration; no name is resolved here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from audit.text import listing
from audit.verdict import Verdict
from remediate.cpanel.service_files import is_of_panel
from remediate.model.audit_results import AuditResults, ObservedEndpoint
from remediate.model.case import Validation
from remediate.model.options import RunLimits, matches_any

SWITCHED_OFF: Final = "ops.management-disabled"
NOT_KNOWN: Final = "could not check whether repair is switched off on the host itself"
SILENCING: Final = "/var/cpanel/ssl/disable_service_certificate_management"
"""The touch file by which an administrator also asks for no messages about expiry."""
_EXPIRES: Final = ("cert.expired", "cert.expiring", "cert.renewal-due")
_NOT_LOADABLE: Final = ("key.mismatch", "svc.config-missing-file")
_IMAGES: Final = ("docker", "podman", "kubectl", "openshift")


@dataclass(frozen=True, slots=True)
class Fleet:
    """`excluded_hosts` says by label why nothing is changed on a host, `serving` which hosts serve a name.

    `unloadable` says by host and service which findings keep it from loading its configuration again, each with its
    endpoint. `resolved` is where each name leads and `own_addresses` what is a host's of this run, as far as known.
    """

    excluded_hosts: Mapping[str, str]
    serving: Mapping[str, tuple[str, ...]]
    resolved: Mapping[str, tuple[str, ...]]
    own_addresses: frozenset[str]
    unloadable: Mapping[tuple[str, str], tuple[tuple[str, str], ...]]

    def validations(self, host: str, names: tuple[str, ...]) -> tuple[Validation, ...]:
        """Return for each name the hosts that serve it, the case's own among them."""
        return tuple(Validation(name, tuple(sorted({host, *self.serving.get(name, ())}))) for name in names)

    def elsewhere(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name that no host of this run has; nothing if the results do not show that.

        The self-test asks every address anyway, before an order is placed.
        """
        if not self.own_addresses:
            return ()
        return tuple(address for address in self.resolved.get(name, ()) if address not in self.own_addresses)


def switched_off(files: Iterable[str]) -> str:
    """Return the sentence that repair is switched off on a host, with the touch files of its administrator."""
    which = listing(sorted(files))
    return f"repair is switched off on the host itself: {which or 'a file that says so'} is there"


def is_silenced(endpoint: str, check: str, evidence: AuditResults) -> bool:
    """Return whether the administrator asked for no messages about this finding: a panel's certificate that expires."""
    seen = evidence.seen.get(endpoint)
    if check not in _EXPIRES or seen is None or not is_of_panel(seen):
        return False
    return SILENCING in _switches(f"{seen.label}/", evidence)


def fleet_of(evidence: AuditResults, run_limits: RunLimits) -> Fleet:
    """Return what the results say about the hosts of the run."""
    logged_into = [seen for seen in evidence.seen.values() if seen.hostspec and seen.label]
    serving: dict[str, set[str]] = {}
    resolved: dict[str, set[str]] = {}
    for seen in logged_into:
        serving.setdefault(seen.name, set()).add(str(seen.label))
        resolved.setdefault(seen.name, set()).update(seen.resolved or ())
    alone = {str(seen.label): why for seen in logged_into if (why := _why_alone(seen, evidence, run_limits))}
    return Fleet(
        excluded_hosts=alone,
        serving={name: tuple(sorted(hosts)) for name, hosts in serving.items()},
        resolved={name: tuple(sorted(addresses)) for name, addresses in resolved.items()},
        own_addresses=frozenset(address for seen in logged_into for address in seen.own_addresses or ()),
        unloadable=_unloadable(logged_into, evidence),
    )


def _unloadable(
    logged_into: Iterable[ObservedEndpoint], evidence: AuditResults
) -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for seen in logged_into:
        for result in evidence.by_endpoint.get(seen.endpoint, ()):
            if result.check in _NOT_LOADABLE and result.verdict is Verdict.FAIL:
                found.setdefault((str(seen.label), seen.service), []).append((seen.endpoint, result.message))
    return {place: tuple(faults) for place, faults in found.items()}


def _why_alone(seen: ObservedEndpoint, evidence: AuditResults, run_limits: RunLimits) -> str | None:
    hostspec = str(seen.hostspec)
    if hostspec.partition("://")[0] in _IMAGES:
        return "an image is not repaired from inside"
    if matches_any(hostspec, run_limits.excluded_hosts):
        return "repair is switched off for this host in the configuration"
    return _why_switched_off(f"{seen.label}/", evidence)


def _why_switched_off(host: str, evidence: AuditResults) -> str | None:
    """Return why repair is switched off on a host itself; None if it is not.

    A waiver changes nothing about it. If the check has no result, repair counts as switched off.
    """
    match evidence.verdict(host, SWITCHED_OFF):
        case Verdict.FAIL | Verdict.WAIVED:
            return switched_off(_switches(host, evidence))
        case Verdict.INCONCLUSIVE | Verdict.ERROR:
            return NOT_KNOWN
    return None


def _switches(host: str, evidence: AuditResults) -> tuple[str, ...]:
    """Return the touch files that are there."""
    found = (one.detail.get("observed") for one in evidence.by_endpoint.get(host, ()) if one.check == SWITCHED_OFF)
    return tuple(str(path) for observed in found if isinstance(observed, list | tuple) for path in observed)
