"""Whether a service has a certificate of its own, or none, or a placeholder that came with its software.

It judges nothing else of a certificate: what every placeholder lacks is one finding, `svc.certificate-missing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from audit.analysis.addresses import leaf_of
from audit.observation import Observation
from audit.policy import Policy
from audit.verdict import Inconclusive
from audit.x509.certificate import Certificate

CERTIFICATE_MISSING: Final = "svc.certificate-missing"


@dataclass(frozen=True, slots=True)
class Lack:
    """Why a service has no certificate of its own, and the policy that knows the placeholder, where one told it."""

    why: str
    policy: str | None = None


def lack(observation: Observation, policy: Policy) -> Lack | None:
    """Say why the service has no certificate of its own; None where it has one, or none was seen."""
    if observation.server is not None and observation.server.snakeoil:
        return Lack("the configured certificate is the placeholder that the distribution makes at installation")
    for handshake in observation.every_handshake:
        leaf = leaf_of(handshake)
        if leaf is None:
            return Lack(f"{handshake.address} served no certificate")
        known = _placeholders(leaf, policy)
        if known:
            return Lack(f"{handshake.address} serves the placeholder {leaf}", known[0][1])
    return None


def require_own(observation: Observation, policy: Policy) -> None:
    """Raise Inconclusive where the service has no certificate of its own: that is the one finding."""
    lacking = lack(observation, policy)
    if lacking is not None:
        raise Inconclusive(lacking.why, because=CERTIFICATE_MISSING)


def _placeholders(leaf: Certificate, policy: Policy) -> tuple[tuple[str, str], ...]:
    """Return what stands in the subject of a placeholder, each with the profile that knows it."""
    if not leaf.has_readable("subject"):
        return ()
    attributes = leaf.subject.split(",")
    return policy.each(lambda limits: tuple(name for name in limits.placeholders if name in attributes))
