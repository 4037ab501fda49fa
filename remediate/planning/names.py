"""Which names a new certificate has to be valid for: all that a client could rely on with the old one, and more.

It knows what was served and asked for; it refuses to lose a name without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from audit.analysis.addresses import is_public
from audit.endpoint import to_address
from audit.text import sentence
from audit.verdict import Verdict
from audit.x509.identifiers import host_name_faults
from remediate.model.audit_results import AuditResults, ObservedEndpoint
from remediate.model.case import DroppedName
from remediate.planning.certificate_groups import Group, used_files

_NOT_VOUCHED: Final = "no CA has vouched for it, and the panel's services are asked for by the host's name"
_NO_FILE: Final = "no file shows that all names it stands for are ours (Baseline Requirements 3.2.2.4.18)"
_NOT_HERE: Final = "the certificate was not for the host's name, and nothing is known to lead here by this one"
_HOME_MADE: Final = ("cert.self-signed", "cert.untrusted", "svc.certificate-missing")
"""Findings on certificates that no CA the clients know has vouched for: any name may stand in them."""


def names_to_certify(group: Group, evidence: AuditResults) -> tuple[tuple[str, ...], tuple[DroppedName, ...]]:
    """Return the names to keep and those left out: all SANs, on disk and served, and what each endpoint is asked for.

    Left out is only what no CA may certify, and only where no CA has: no name is lost that a client could rely on. Of
    a panel's own services it is what no CA has vouched for, wildcards, and what a host was called before: one name too
    many would leave all of them without a certificate.
    """
    kept = {member.name for member in group.members}
    dropped: dict[str, str] = {}
    for member in group.members:
        if member.names is None:
            dropped["?"] = f"the names of what {member.endpoint} serves cannot be read"
        fault_of = _judge(member, group, evidence)
        on_disk = (name for file in used_files(member) for name in file.names)
        for name in (*(member.names or ()), *on_disk):
            if fault := fault_of(name):
                dropped[name] = fault
            else:
                kept.add(name)
    return tuple(sorted(kept)), tuple(DroppedName(name, dropped[name]) for name in sorted(dropped) if name not in kept)


def _judge(member: ObservedEndpoint, group: Group, evidence: AuditResults) -> Callable[[str], str]:
    """Return what says in a clause why a name of a certificate is left out, and nothing of one that is kept."""
    is_home_made = any(evidence.verdict(member.endpoint, check) is Verdict.FAIL for check in _HOME_MADE)
    if not group.is_panel:
        return _uncertifiable if is_home_made else lambda _: ""
    if is_home_made:
        return lambda _: _NOT_VOUCHED
    is_for_others = evidence.verdict(member.endpoint, "cert.name-mismatch") is Verdict.FAIL
    here = _names_here(group, evidence) if is_for_others else frozenset()
    return lambda name: _NO_FILE if name.startswith("*.") else _NOT_HERE if is_for_others and name not in here else ""


def _names_here(group: Group, evidence: AuditResults) -> frozenset[str]:
    """Return the names that are known to lead to the host: something else there is asked for by them."""
    mine = (seen for seen in evidence.seen.values() if seen.label == group.host and seen.own_addresses)
    return frozenset(one.name for one in mine if set(one.resolved or ()).intersection(one.own_addresses or ()))


def _uncertifiable(name: str) -> str:
    """Say in a clause each why no CA may certify a name (BR 4.2.2, 7.1.2.7.12); an empty text where one may."""
    address = to_address(name)
    if address is not None:
        return "" if is_public(address) else "it is an address that is nobody's own"
    return sentence(host_name_faults(name.removeprefix("*.")))
