"""Checks of the protocol versions that a service accepts."""

from __future__ import annotations

from audit.analysis.protocol_versions import old_versions, untold_versions
from audit.analysis.reachability import unreached
from audit.checks import check
from audit.observation import Observation
from audit.policy import Policy
from audit.text import listing
from audit.verdict import inconclusive, require_none


@check("tls.old-protocol", severity="high", remedy="configure", source="RFC 8996 4, 5; RFC 9325 3.1.1; CWE-327")
def test_no_old_protocol(observation: Observation, policy: Policy) -> None:
    """No address accepts a version of the protocol that must not be used."""
    if not observation.handshakes:
        raise unreached(observation)
    require_none(policy.each(lambda limits: old_versions(observation.handshakes, limits)))
    untold = policy.each(lambda limits: untold_versions(observation.handshakes, limits))
    if untold:
        inconclusive(listing([clause for clause, _ in untold]))
