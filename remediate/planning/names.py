"""Finds the names for a new certificate: every name that a client could rely on with the old one, and more.

Every dropped name is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from audit.analysis.addresses import is_public
from audit.endpoint import to_address, wildcard_or_name
from audit.text import join_clauses
from audit.verdict import Verdict
from audit.x509.identifiers import host_name_faults
from remediate.model.audit_results import AuditResults, ObservedEndpoint
from remediate.model.case import DroppedName
from remediate.planning.certificate_groups import Group, used_files

_NOT_CERTIFIED: Final = "no CA has issued it, and clients of the panel's services use the host's name"
_NO_FILE: Final = "a file cannot show control of all names of a wildcard (Baseline Requirements 3.2.2.4.18)"
_NOT_HERE: Final = "the certificate was not for the host's name, and no service here is known to use this name"
_GIVEN_UP: Final = "the configuration gives the name up ([remediate] drop_names)"
_HOME_MADE: Final = ("cert.self-signed", "cert.untrusted", "svc.certificate-missing")
"""Findings on certificates that no CA known to clients has issued: they may contain any name."""


def names_to_certify(
    group: Group, evidence: AuditResults, given_up: Iterable[str] = ()
) -> tuple[tuple[str, ...], tuple[DroppedName, ...]]:
    """Return the names to keep and the names to drop, of all SANs on disk and served and the names of the endpoints.

    A name is dropped if its owner has given it up (`given_up`). Else it is dropped only if no CA may certify it and
    none has, so no name is lost that a client could rely on. For a panel's own services, names that no CA has
    certified, wildcards and earlier names of the host are dropped too: if one name fails, no service gets a
    certificate.
    """
    kept = {wildcard_or_name(member.name) for member in group.members}
    dropped: dict[str, str] = {}
    for member in group.members:
        if member.names is None:
            dropped["?"] = f"the names of what {member.endpoint} serves cannot be read"
        fault_of = _fault_function(member, group, evidence)
        on_disk = (name for file in used_files(member) for name in file.names)
        for name in (*(member.names or ()), *on_disk):
            if fault := fault_of(name):
                dropped[name] = fault
            else:
                kept.add(name)
    dropped |= dict.fromkeys(kept.intersection(given_up), _GIVEN_UP)
    kept.difference_update(given_up)
    return tuple(sorted(kept)), tuple(DroppedName(name, dropped[name]) for name in sorted(dropped) if name not in kept)


def _fault_function(member: ObservedEndpoint, group: Group, evidence: AuditResults) -> Callable[[str], str]:
    """Return a function that gives the reason why a name is dropped; an empty text for a name that is kept."""
    is_home_made = any(evidence.verdict(member.endpoint, check) is Verdict.FAIL for check in _HOME_MADE)
    if not group.is_panel:
        return _certification_fault if is_home_made else lambda _: ""
    if is_home_made:
        return lambda _: _NOT_CERTIFIED
    is_for_others = evidence.verdict(member.endpoint, "cert.name-mismatch") is Verdict.FAIL
    host_names = _names_of_host(group, evidence) if is_for_others else frozenset()
    unknown = _NOT_HERE if is_for_others else ""
    return lambda name: _NO_FILE if name.startswith("*.") else unknown if name not in host_names else ""


def _names_of_host(group: Group, evidence: AuditResults) -> frozenset[str]:
    """Return the names that are known to resolve to the host, because other services there use them."""
    endpoints = (seen for seen in evidence.seen.values() if seen.label == group.host and seen.own_addresses)
    return frozenset(seen.name for seen in endpoints if set(seen.resolved or ()).intersection(seen.own_addresses or ()))


def _certification_fault(name: str) -> str:
    """Return why no CA may certify a name (BR 4.2.2, 7.1.2.7.12); an empty text if a CA may."""
    address = to_address(name)
    if address is not None:
        return "" if is_public(address) else "it is not a public address"
    return join_clauses(host_name_faults(name.removeprefix("*.")))
