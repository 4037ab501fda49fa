"""Finds whether a server staples an OCSP response that clients can use, if its certificate requires it (RFC 7633)."""

from __future__ import annotations

from typing import Final

from audit.analysis import Uncertain
from audit.analysis.addresses import leaf_of
from audit.analysis.chains import MALFORMED
from audit.analysis.revocation.responses import Rules
from audit.observation import Handshake, Observation
from audit.x509.certificate import Certificate
from audit.x509.lint import read_raw
from audit.x509.path.served_chain import Chain
from audit.x509.revocation.basis import StatusBasis, StatusSubject
from audit.x509.revocation.status import OcspEvidence, status_from_ocsp

STATUS_REQUEST: Final = 5  # the TLS extension (RFC 7633 4.1)


def must_staple(certificate: Certificate) -> bool:
    """Return whether the certificate requires the server to staple."""
    return read_raw(certificate, lambda reading: STATUS_REQUEST in reading.features)


def has_responder(certificate: Certificate) -> bool:
    """Return whether the certificate names an OCSP responder: without one, no server can staple a response."""
    return read_raw(certificate, lambda reading: bool(reading.ocsp_urls))


def stapled_handshakes(certificate: Certificate, observation: Observation) -> tuple[Handshake, ...]:
    """Return the handshakes in which an OCSP response was stapled to that certificate."""
    return tuple(
        handshake
        for handshake in observation.every_handshake
        if handshake.ocsp_der and leaf_of(handshake) == certificate
    )


def unstapled_addresses(certificate: Certificate, observation: Observation) -> list[str]:
    """Return the addresses that serve the certificate without an OCSP response."""
    unstapled = (handshake for handshake in observation.every_handshake if handshake.ocsp_der is None)
    return [handshake.address for handshake in unstapled if leaf_of(handshake) == certificate]


def staple_faults(chain: Chain, observation: Observation, rules: Rules) -> tuple[str, ...] | Uncertain:
    """Return one message per stapled response that clients could not use when it was sent (RFC 6960 3.2).

    The result is uncertain if the issuer is not known, because the issuer must have signed the response.
    """
    subject = _subject(chain)
    if isinstance(subject, Uncertain):
        return subject
    statuses = (
        status_from_ocsp(
            OcspEvidence(handshake.ocsp_der or b"", handshake.address),
            subject,
            StatusBasis(observation.observed_at, rules.tolerance),
        )
        for handshake in stapled_handshakes(chain.leaf, observation)
    )
    return tuple(str(status) for status in statuses if status.word == "unknown")


def _subject(chain: Chain) -> StatusSubject | Uncertain:
    """Return the leaf with its issuers, up to an anchor or as far as they were sent."""
    leaf_first = chain.path or chain.reached
    if len(leaf_first) < 2:
        because = "chain.incomplete" if chain.missing_issuer else MALFORMED if chain.leaf.faults else None
        return Uncertain("the issuer, which must have signed the stapled response, is not known", because=because)
    return StatusSubject(leaf_first[0], leaf_first[1:])
