"""Whether a service has a certificate of its own, or none, or a placeholder that came with its software.

It judges nothing else of a certificate: what every placeholder lacks is one finding, `svc.certificate-missing`.
"""

from __future__ import annotations

from typing import Final

from audit.addresses import leaf_of
from audit.certificate import Certificate
from audit.checks import Inconclusive
from audit.observation import Observation
from audit.policy import Policy

CERTIFICATE_MISSING: Final = "svc.certificate-missing"


def lack(observation: Observation, policy: Policy) -> str | None:
    """Say in a clause why the service has no certificate of its own; None where it has one, or none was seen."""
    if observation.server is not None and observation.server.snakeoil:
        return "the configured certificate is the placeholder that the distribution makes at installation"
    for handshake in observation.handshakes:
        leaf = leaf_of(handshake)
        if leaf is None:
            return f"{handshake.address} served no certificate"
        if _is_placeholder(leaf, policy):
            return f"{handshake.address} serves the placeholder {leaf}"
    return None


def require_own(observation: Observation, policy: Policy) -> None:
    """Raise Inconclusive where the service has no certificate of its own: that is the one finding."""
    why = lack(observation, policy)
    if why is not None:
        raise Inconclusive(why, because=CERTIFICATE_MISSING)


def _is_placeholder(leaf: Certificate, policy: Policy) -> bool:
    if not leaf.can_ask("subject"):
        return False
    attributes = leaf.subject.split(",")
    return bool(policy.each(lambda limits: tuple(name for name in limits.placeholders if name in attributes)))
