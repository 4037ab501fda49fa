"""Whether a server staples an OCSP answer where its certificate binds it to (RFC 7633), and one that clients can use.

It fetches nothing; whether an answer says that the certificate is revoked is not its affair.
"""

from __future__ import annotations

from typing import Final

from audit.analysis.addresses import leaf_of
from audit.analysis.chains import MALFORMED
from audit.analysis.revocation import Rules
from audit.observation import Handshake, Observation
from audit.text import listing
from audit.verdict import Inconclusive, require
from audit.x509.certificate import Certificate
from audit.x509.lint import ask
from audit.x509.path.served_chain import Chain
from audit.x509.revocation.status import OcspEvidence, StatusSubject, status_from_ocsp

STATUS_REQUEST: Final = 5  # the TLS extension (RFC 7633 4.1)


def must_staple(certificate: Certificate) -> bool:
    """Tell whether the certificate binds the server to staple; raises Inconclusive."""
    return ask(certificate, lambda reading: STATUS_REQUEST in reading.features)


def stapled(certificate: Certificate, observation: Observation) -> tuple[Handshake, ...]:
    """Return the handshakes in which an OCSP answer came with that certificate."""
    return tuple(one for one in observation.every_handshake if one.ocsp_der and leaf_of(one) == certificate)


def require_staples(certificate: Certificate, observation: Observation) -> None:
    """Raise Finding where an address serves the certificate without an answer; without a responder none can."""
    bare = [one.address for one in observation.every_handshake if not one.ocsp_der and leaf_of(one) == certificate]
    has_responder = bool(ask(certificate, lambda reading: reading.ocsp_urls))
    why = "" if has_responder else ", and the certificate names no OCSP responder to have one from"
    remedy = "configure" if has_responder else "reissue"
    require(not bare, f"{listing(bare)} staples no OCSP answer though the certificate demands it{why}",
            observed=bare, required="a stapled OCSP answer", remedy=remedy)  # fmt: skip


def staple_faults(chain: Chain, observation: Observation, rules: Rules) -> tuple[str, ...]:
    """Say in a clause each why clients cannot use an answer that was stapled, as of when it came (RFC 6960 3.2).

    Raises Inconclusive where the issuer, whose answer it should be, is not known.
    """
    subject = _subject(chain)
    said = (
        status_from_ocsp(
            OcspEvidence(one.ocsp_der or b"", one.address), subject, observation.observed_at, rules.tolerance
        )
        for one in stapled(chain.leaf, observation)
    )
    return tuple(str(one) for one in said if one.word == "unknown")


def _subject(chain: Chain) -> StatusSubject:
    """Return the leaf with who is above it, up to an anchor or as far as it was sent."""
    known = chain.path or chain.reached
    if len(known) < 2:
        because = "chain.incomplete" if chain.missing_issuer else MALFORMED if chain.leaf.faults else None
        raise Inconclusive("the issuer, whose answer is to be stapled, is not known", because=because)
    return StatusSubject(known[0], known[1:])
