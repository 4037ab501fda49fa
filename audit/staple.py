"""Whether a server staples an OCSP answer where its certificate binds it to (RFC 7633).

It judges no answer, only whether there is one.
"""

from __future__ import annotations

from typing import Final

from audit.addresses import leaf_of
from audit.certificate import Certificate
from audit.checks import require
from audit.lint import ask
from audit.observation import Handshake, Observation
from audit.words import listing

STATUS_REQUEST: Final = 5  # the TLS extension (RFC 7633 4.1)


def must_staple(certificate: Certificate) -> bool:
    """Tell whether the certificate binds the server to staple; raises Inconclusive."""
    return ask(certificate, lambda reading: STATUS_REQUEST in reading.features)


def stapled(certificate: Certificate, observation: Observation) -> tuple[Handshake, ...]:
    """Return the handshakes in which an OCSP answer came with that certificate."""
    return tuple(one for one in observation.handshakes if one.ocsp_der and leaf_of(one) == certificate)


def require_staples(certificate: Certificate, observation: Observation) -> None:
    """Raise Finding where an address serves the certificate without an answer; without a responder none can."""
    bare = [one.address for one in observation.handshakes if not one.ocsp_der and leaf_of(one) == certificate]
    has_responder = bool(ask(certificate, lambda reading: reading.ocsp_urls))
    why = "" if has_responder else ", and the certificate names no OCSP responder to have one from"
    remedy = "configure" if has_responder else "reissue"
    require(not bare, f"{listing(bare)} staples no OCSP answer though the certificate demands it{why}",
            observed=bare, required="a stapled OCSP answer", remedy=remedy)  # fmt: skip
