"""Finds services without a certificate of their own: they have none, or a placeholder that came with the software.

A placeholder has many faults; all of them are one finding, `svc.certificate-missing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from audit.analysis import Uncertain
from audit.analysis.addresses import leaf_of
from audit.observation import Observation
from audit.policy import Policy
from audit.x509.certificate import Certificate

CERTIFICATE_MISSING: Final = "svc.certificate-missing"


@dataclass(frozen=True, slots=True)
class MissingCertificate:
    """Why a service has no certificate of its own, and the policy that identified the placeholder, if any."""

    why: str
    policy: str | None = None


def missing_certificate(observation: Observation, policy: Policy) -> MissingCertificate | None:
    """Return why the service has no certificate of its own; None if it has one, or if no handshake was observed."""
    if observation.server is not None and observation.server.snakeoil:
        why = "the configured certificate is the placeholder that the distribution made at installation"
        return MissingCertificate(why)
    for handshake in observation.every_handshake:
        leaf = leaf_of(handshake)
        if leaf is None:
            return MissingCertificate(f"{handshake.address} served no certificate")
        placeholders = _placeholders(leaf, policy)
        if placeholders:
            return MissingCertificate(f"{handshake.address} serves the placeholder {leaf}", placeholders[0][1])
    return None


def no_own_certificate(observation: Observation, policy: Policy) -> Uncertain | None:
    """Return a message if the service has no certificate of its own, which is another finding; else None."""
    missing = missing_certificate(observation, policy)
    return Uncertain(missing.why, because=CERTIFICATE_MISSING) if missing else None


def _placeholders(leaf: Certificate, policy: Policy) -> tuple[tuple[str, str], ...]:
    """Return the attributes of the subject that identify a placeholder, each with the profile that lists it."""
    if not leaf.has_readable("subject"):
        return ()
    attributes = leaf.subject.split(",")
    return policy.faults(lambda limits: tuple(name for name in limits.placeholders if name in attributes))
