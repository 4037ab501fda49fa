"""Reads the chain that a server sent: the path that `validate_path` finds in it, and the order of its certificates.

The path depends only on names and signatures. Other reasons for which clients refuse it are judged elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise

from audit.x509.algorithms import is_signed_by
from audit.x509.certificate import Certificate, path_members, read_certificate
from audit.x509.path.builder import Path, Search, links_leniently, may_be_key_of
from audit.x509.path.trust_store import LINKED, TrustAnchors
from audit.x509.path.validator import Validation, validate_path

__all__ = ["Chain", "TrustAnchors", "Validation", "read_chain", "validate_path"]


class EmptyChain(LookupError):
    """The server sent no certificate."""


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A chain as served, leaf first and nothing left out, and the best path from its leaf to a trust anchor.

    `path` is linked by names and signatures; `validation` holds why clients refuse it at the time `at`, if they do.
    `reached` is what was sent and the leaf leads to, the leaf first. `missing_issuer` is the issuer that was neither
    sent nor is an anchor, `refused_issuer` the one whose key did not make a signature though it bears the name.
    """

    certificates: tuple[Certificate, ...]  # as sent, the leaf first
    anchors: TrustAnchors  # the trust anchors of the run
    at: datetime  # the time of the judgement
    validation: Validation  # why clients refuse the path, if they do
    path: tuple[Certificate, ...] | None = None  # from the leaf to an anchor; None if no path leads to one
    reached: tuple[Certificate, ...] = ()  # what was sent and the leaf leads to
    missing_issuer: str | None = None  # issuer that was not sent and is not an anchor
    refused_issuer: str | None = None  # issuer whose key did not make a signature
    ends_self_signed: bool = False  # whether it ends in a self-signed CA that is not an anchor
    unverified: tuple[Certificate, ...] = ()  # in the path, and signed in a way that cannot be verified here
    order_faults: tuple[str, ...] = ()  # what is in the wrong order, or does not belong
    gave_up: bool = False  # there were too many signatures to verify

    @property
    def leaf(self) -> Certificate:
        """The first certificate sent; raises EmptyChain if the server sent none."""
        if not self.certificates:
            raise EmptyChain("the server sent no certificate")
        return self.certificates[0]

    @property
    def is_anchored(self) -> bool:
        """Whether a path leads to a trust anchor."""
        return self.path is not None

    @property
    def anchor_source(self) -> str | None:
        """The name of the source of the anchor that the path ends in."""
        return self.anchors.source_of(self._anchor) if self._anchor else None

    @property
    def anchor_is_public(self) -> bool:
        """Whether the path ends in a publicly trusted anchor."""
        return self._anchor is not None and self.anchors.is_public(self._anchor)

    @property
    def is_of_private_pki(self) -> bool:
        """Whether the path ends in an anchor that is trusted here but not publicly."""
        return self.is_anchored and not self.anchor_is_public

    @property
    def leaf_is_anchor(self) -> bool:
        """Whether the leaf itself is a trust anchor of the user's."""
        return self.path is not None and len(self.path) == 1

    @property
    def intermediates(self) -> tuple[Certificate, ...]:
        """The CAs between leaf and anchor; without a path the ones sent that the leaf leads to, but no root."""
        if self.path is not None:
            return self.path[1:-1]
        return tuple(certificate for certificate in self.reached[1:] if not certificate.is_self_signed)

    @property
    def _anchor(self) -> Certificate | None:
        return self.anchors.matching(self.path[-1]) if self.path else None

    def is_completed_by(self, bundle: tuple[bytes, ...]) -> bool:
        """Return whether these additional certificates (DER) would complete a path."""
        return self.extended_by(bundle).is_anchored

    def extended_by(self, bundle: tuple[bytes, ...]) -> Chain:
        """Return the chain as if these further certificates (DER) had been sent too."""
        return read_chain((*(certificate.der for certificate in self.certificates), *bundle), self.anchors, self.at)


@lru_cache(maxsize=2048)
def read_chain(chain_der: tuple[bytes, ...], anchors: TrustAnchors, at: datetime) -> Chain:
    """Read a chain as sent, leaf first, at a time; never raises. No path has a certificate that cannot be read."""
    certificates = tuple(map(read_certificate, chain_der))
    if not certificates or not certificates[0].has_readable(*LINKED):
        return Chain(certificates, anchors, at, Validation((), ()))
    issuing = anchors.issuing(certificates)
    validation = validate_path(chain_der[0], chain_der[1:], issuing, reference=None, at=at, common_names=False)
    search = Search(path_members(dict.fromkeys(chain_der)), path_members(issuing), links=links_leniently)
    reached = search.reached_from(certificates[0]) if certificates[0].is_path_member else ()
    path = path_members(validation.path)
    forged = _forged(path)
    if forged:
        path = ()
    ends_self_signed = not path and any(certificate.is_self_signed for certificate in reached)
    ends = () if path or ends_self_signed else tuple(end for end in reached if not search.issuers(end))
    refused = forged or next((issuer for end in ends for issuer in _refused(search, end)), None)
    return Chain(
        certificates,
        anchors,
        at,
        validation,
        path=path or None,
        reached=reached,
        missing_issuer=ends[0].issuer if ends and refused is None else None,
        refused_issuer=str(refused) if refused else None,
        ends_self_signed=ends_self_signed,
        unverified=_unverified(path),
        order_faults=_order_faults(certificates, reached, search),
        gave_up=search.work.gave_up,
    )


def _refused(search: Search, end: Certificate) -> list[Certificate]:
    """Return the candidates that bear the issuer's name and key identifier, and yet did not sign."""
    return [issuer for issuer in search.candidates(end) if may_be_key_of(end, issuer)]


def _forged(path: Path) -> Certificate | None:
    """Return the issuer in a path whose key did not make the signature below it; None if there is none.

    `validate_path` follows a signature that it does not verify, with an algorithm that no client accepts.
    """
    return next((issuer for below, issuer in pairwise(path) if _verified(below, issuer) is False), None)


def _unverified(path: Path) -> tuple[Certificate, ...]:
    return tuple(below for below, issuer in pairwise(path) if _verified(below, issuer) is None)


def _verified(below: Certificate, issuer: Certificate) -> bool | None:
    return is_signed_by(below, issuer, by_any_algorithm=True)


def _order_faults(
    certificates: tuple[Certificate, ...], reached: tuple[Certificate, ...], search: Search
) -> tuple[str, ...]:
    """Return one message per certificate at a wrong place: each must have issued an earlier one (RFC 5246 7.4.2)."""
    faults = []
    certified = {certificate: search.issuers(certificate) for certificate in reached}
    for index, certificate in enumerate(certificates[1:], 1):
        earlier = certificates[:index]
        place = f"certificate {index + 1} ({certificate})"
        if certificate in earlier:
            faults.append(f"{place} is sent twice")
        elif not certificate.has_readable(*LINKED):
            continue  # cert.malformed
        elif certificate not in certified:
            faults.append(f"{place} is not part of the leaf's chain")
        elif not any(certificate in certified.get(other, ()) for other in earlier):
            faults.append(f"{place} issued none of the certificates before it")
    return tuple(faults)
