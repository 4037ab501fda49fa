"""Why a chain is not trusted, weak or badly sent: one message per fault."""

from __future__ import annotations

from typing import Final

from audit.analysis.installed_files import bundles
from audit.observation import HostView
from audit.policy.thresholds import Thresholds
from audit.text import moment
from audit.verdict import Inconclusive
from audit.x509.certificate import Certificate
from audit.x509.loading import UnreadableField
from audit.x509.path.served_chain import Chain
from audit.x509.path.trust_store import LINKED
from audit.x509.public_keys import small_factors, weaknesses
from audit.x509.signatures import ALGORITHMS

MALFORMED: Final = "cert.malformed"
"""The check that reports what cannot be read in a certificate. What depends on it is inconclusive."""


def unreadable_message(error: UnreadableField) -> str:
    """Return the message of what is inconclusive because a field of a certificate cannot be read."""
    return f"the certificate cannot be read: {error.reason if error.place == 'Certificate' else error}"


def chain_faults(chain: Chain) -> tuple[str, ...]:
    """Say in a clause each what cannot be read in the certificates sent; a trust anchor is trusted as it is."""
    return tuple(
        f"the leaf's {fault}" if index == 0 else f"certificate {index + 1}, {fault}"
        for index, certificate in enumerate(chain.certificates)
        if not _is_anchor(certificate, chain)
        for fault in certificate.faults
    )


def forgeable_signatures(chain: Chain, limits: Thresholds) -> tuple[str, ...]:
    """Say in a clause each which of leaf and intermediates is signed with a digest that is not admitted."""
    return tuple(clause for one in (chain.leaf, *chain.intermediates) for clause in forgeable(one, limits))


def forgeable(certificate: Certificate, limits: Thresholds) -> tuple[str, ...]:
    """Say that a certificate is signed with a digest that is not admitted, if so."""
    name, digest = certificate.signature_algorithm, certificate.signature_digest
    if (digest or name) in limits.signature_digests:
        return ()
    of_parameters = f" ({digest})" if name == "id-RSASSA-PSS" else ""
    return (f"{certificate} is signed with {name}{of_parameters}; admitted are {', '.join(limits.signature_digests)}",)


def sent_anchors(chain: Chain) -> tuple[str, ...]:
    """Return the trust anchors that were sent in their self-signed form, after the leaf."""
    return tuple(
        str(one) for one in chain.certificates[1:]
        if _is_anchor(one, chain) and one.has_readable("is_self_signed") and one.is_self_signed
    )  # fmt: skip


def weak_ca_keys(chain: Chain, limits: Thresholds) -> tuple[str, ...]:
    """Say in a clause each what is wrong with the key of an intermediate."""
    return tuple(
        f"{one}: {clause}"
        for one in chain.intermediates
        for clause in (*weaknesses(one.key, limits), *small_factors(one.key))
    )


def _is_anchor(certificate: Certificate, chain: Chain) -> bool:
    return certificate.has_readable(*LINKED) and chain.anchors.matching(certificate) is not None


UNVERIFIABLE: Final = ("md2", "md4", "ripemd160")
"""Digests that the library no longer computes; none is admitted by any policy."""


def require_names(chain: Chain) -> None:
    """Raise UnreadableField if the leaf's subject or issuer cannot be read: it leads nowhere then."""
    _ = chain.leaf.canonical_subject, chain.leaf.canonical_issuer


def distrust(chain: Chain) -> str | None:
    """Return why the leaf leads to no trust anchor, or None.

    Raises Inconclusive or UnreadableField if that is unknown.
    """
    require_names(chain)
    if chain.is_anchored:
        _require_verified(chain)
        return None
    if chain.leaf.is_self_signed:
        raise Inconclusive("a self-signed leaf leads nowhere", because="cert.self-signed")
    if chain.ends_self_signed:
        return f"the path ends in {chain.reached[-1]}, which signed itself and is no trust anchor"
    if chain.refused_issuer:
        return f"the key of {chain.refused_issuer} did not make the signature that bears its name"
    if chain.gave_up:
        raise Inconclusive("there are too many candidates for issuers to verify them all")
    if chain.missing_issuer:
        raise Inconclusive(f"the issuer {chain.missing_issuer} was not sent", because="chain.incomplete")
    unreadable = next((certificate for certificate in chain.reached if certificate.faults), None)
    if unreadable:
        raise Inconclusive(f"{unreadable} cannot be read: {unreadable.faults[0]}", because=MALFORMED)
    return "no path by names and signatures leads to a trust anchor"


def _require_verified(chain: Chain) -> None:
    """Raise Inconclusive where names and key identifiers lead to an anchor and a signature cannot be verified here."""
    for certificate in chain.unverified:
        is_odd = certificate.signature_algorithm not in {name for name, _ in ALGORITHMS.values()}
        because = "cert.weak-signature" if is_odd or certificate.signature_digest in UNVERIFIABLE else None
        why = f"names lead to a trust anchor, but the signature of {certificate} cannot be verified here"
        raise Inconclusive(f"{why} ({certificate.signature_algorithm})", because=because)


def unexpired(chain: Chain) -> tuple[Certificate, ...]:
    """Return the intermediates without those of a path to a trust anchor that have expired."""
    intermediates = chain.intermediates
    return tuple(one for one in intermediates if not chain.is_anchored or one.not_after >= chain.at)


def outlived(intermediate: Certificate, leaf: Certificate) -> tuple[str, ...]:
    """Say that an intermediate ends before the leaf does, if so."""
    if intermediate.not_after >= leaf.not_after:
        return ()
    return (f"{intermediate} ends {moment(intermediate.not_after)}, before the leaf ({moment(leaf.not_after)})",)


def completing_file(chain: Chain, server: HostView | None) -> str | None:
    """Return the path of a file on the host with which a path to a trust anchor is complete, or None."""
    if chain.is_anchored:
        return None
    return next((path for path, bundle in bundles(server) if chain.is_completed_by(bundle)), None)
