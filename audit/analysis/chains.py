"""Finds why a chain is untrusted, weak or not sent as required: one message per fault."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from audit.analysis import Uncertain
from audit.analysis.installed_files import bundles
from audit.observation import HostView
from audit.policy import Policy
from audit.policy.thresholds import ML_DSA, Thresholds
from audit.text import format_utc
from audit.x509.certificate import Certificate
from audit.x509.loading import UnreadableField
from audit.x509.path.dropped_roots import release_without, release_without_issuer
from audit.x509.path.served_chain import Chain
from audit.x509.path.trust_store import LINKED
from audit.x509.public_keys import is_post_quantum, is_unjudged, small_factors, weaknesses
from audit.x509.signatures import ALGORITHMS

MALFORMED: Final = "cert.malformed"
"""The check that reports unreadable fields of a certificate. Checks that depend on one of them are inconclusive."""


def unreadable_message(error: UnreadableField) -> str:
    """Return the message of what is inconclusive because a field of a certificate cannot be read."""
    return f"the certificate cannot be read: {error.reason if error.place == 'Certificate' else error}"


def chain_faults(chain: Chain) -> tuple[str, ...]:
    """Return one message per unreadable field of the certificates sent; trust anchors are not checked.

    A leaf that has only the name and the key of an anchor is not that anchor.
    """
    return tuple(
        f"the leaf's {fault}" if index == 0 else f"certificate {index + 1}, {fault}"
        for index, certificate in enumerate(chain.certificates)
        if not (_is_anchor(certificate, chain) if index else certificate in chain.anchors)
        for fault in certificate.faults
    )


def forgeable_signatures(chain: Chain, limits: Thresholds) -> tuple[str, ...]:
    """Return one message per certificate (leaf or intermediate) whose signature has a digest that is not allowed."""
    signed = (chain.leaf, *chain.intermediates)
    return tuple(fault for certificate in signed for fault in forgeable(certificate, limits))


def forgeable(certificate: Certificate, limits: Thresholds) -> tuple[str, ...]:
    """Return a message if a certificate is signed with a digest that is not allowed."""
    name, digest = certificate.signature_algorithm, certificate.signature_digest
    if (digest or name) in limits.signature_digests:
        return ()
    if is_post_quantum(name):
        is_admitted = not set(limits.signature_digests).isdisjoint(ML_DSA)  # and this one cannot be verified here
        return () if is_admitted else (f"{certificate} is signed with {name}, which no public CA may use (BR 7.1.3.2)",)
    of_parameters = f" ({digest})" if name == "id-RSASSA-PSS" else ""
    return (f"{certificate} is signed with {name}{of_parameters}; allowed: {', '.join(limits.signature_digests)}",)


def sent_anchors(chain: Chain) -> tuple[str, ...]:
    """Return the trust anchors that were sent in their self-signed form after the leaf."""
    return tuple(
        str(certificate)
        for certificate in chain.certificates[1:]
        if _is_anchor(certificate, chain) and certificate.is_known_self_signed
    )


def weak_ca_keys(chain: Chain, limits: Thresholds) -> tuple[str, ...]:
    """Return one message per weakness of the key of an intermediate."""
    return tuple(
        f"{certificate}: {weakness}"
        for certificate in chain.intermediates
        for weakness in (*weaknesses(certificate.key, limits), *small_factors(certificate.key))
    )


def unjudged_key(certificates: Iterable[Certificate], policy: Policy) -> Uncertain | None:
    """Return which post-quantum key cannot be judged here; None if every key can be."""
    for certificate in certificates:
        key = certificate.key
        if any(is_unjudged(key, profile.thresholds) for profile in policy.profiles):
            return Uncertain(f"{certificate}: a post-quantum key ({key}), which the installed library does not support")
    return None


def _is_anchor(certificate: Certificate, chain: Chain) -> bool:
    return certificate.has_readable(*LINKED) and chain.anchors.matching(certificate) is not None


UNVERIFIABLE: Final = ("md2", "md4", "ripemd160")
"""Digests that the library no longer computes; none is admitted by any policy."""


def unreadable_field(certificate: Certificate, *names: str) -> Uncertain | None:
    """Return which of these facts of a certificate cannot be read, which `cert.malformed` reports; None if all can."""
    for name in names:
        if not certificate.has_readable(name):
            return Uncertain(unreadable_message(certificate.unreadable[name]), because=MALFORMED)
    return None


def unreadable_names(chain: Chain) -> Uncertain | None:
    """Return a message if the subject or issuer of the leaf cannot be read, so that it has no path; else None."""
    return unreadable_field(chain.leaf, "canonical_subject", "canonical_issuer")


def too_many_issuers(chain: Chain) -> Uncertain | None:
    """Return a message if the search for a path was given up; None if it was completed."""
    return Uncertain("there are too many possible issuers to verify them all") if chain.gave_up else None


def untrusted_reason(chain: Chain) -> str | Uncertain | None:
    """Return why no path by names and signatures leads from the leaf to a trust anchor; None if one does.

    The result is uncertain if a signature cannot be verified here, or if another finding reports the cause.
    """
    if chain.is_anchored:
        return unreadable_names(chain) or _unverified_signature(chain)
    unread = unreadable_names(chain) or unreadable_field(chain.leaf, "is_self_signed")
    if unread:
        return unread
    if chain.leaf.is_self_signed:
        return Uncertain("a self-signed leaf has no path", because="cert.self-signed")
    if chain.ends_self_signed:
        end = chain.reached[-1]
        return f"the path ends in {end}, a self-signed certificate that is not a trust anchor{_dropped(end)}"
    if chain.refused_issuer:
        return f"the signature does not verify with the key of {chain.refused_issuer}, which is named as its issuer"
    return (
        too_many_issuers(chain) or _missing_issuer(chain) or "no path by names and signatures leads to a trust anchor"
    )


def not_sent(chain: Chain) -> str:
    """Return the missing issuer of a chain as messages have it; a root that the trust store dropped is named as one."""
    ends = (end for end in chain.reached if end.has_readable("issuer") and end.issuer == chain.missing_issuer)
    release = next(filter(None, map(release_without_issuer, ends)), None)
    return f"{chain.missing_issuer} was not sent{_of_release(release)}"


def _dropped(root: Certificate) -> str:
    """Return a clause for a root that the trust store dropped, else nothing."""
    return _of_release(release_without(root))


def _of_release(release: str | None) -> str:
    return f"; Mozilla's trust store dropped this root (certifi {release} is without it)" if release else ""


def _missing_issuer(chain: Chain) -> Uncertain | None:
    if chain.missing_issuer:
        return Uncertain(f"the issuer {not_sent(chain)}", because="chain.incomplete")
    faulty = next((certificate for certificate in chain.reached if certificate.faults), None)
    return Uncertain(f"{faulty} cannot be read: {faulty.faults[0]}", because=MALFORMED) if faulty else None


def _unverified_signature(chain: Chain) -> Uncertain | None:
    """Return which signature cannot be verified here though names and key identifiers lead to a trust anchor."""
    for certificate in chain.unverified:
        is_odd = certificate.signature_algorithm not in {name for name, _ in ALGORITHMS.values()}
        because = "cert.weak-signature" if is_odd or certificate.signature_digest in UNVERIFIABLE else None
        why = f"names lead to a trust anchor, but the signature of {certificate} cannot be verified here"
        if is_post_quantum(certificate.signature_algorithm):
            return Uncertain(f"{why}: the installed library does not support {certificate.signature_algorithm}")
        return Uncertain(f"{why} ({certificate.signature_algorithm})", because=because)
    return None


def unexpired(chain: Chain) -> tuple[Certificate, ...]:
    """Return the intermediates; of a path to a trust anchor only those that have not expired."""
    if not chain.is_anchored:
        return chain.intermediates
    return tuple(certificate for certificate in chain.intermediates if certificate.not_after >= chain.at)


def expires_before_leaf(intermediate: Certificate, leaf: Certificate) -> tuple[str, ...]:
    """Return a message if an intermediate ends before the leaf does."""
    if intermediate.not_after >= leaf.not_after:
        return ()
    return (
        f"{intermediate} ends {format_utc(intermediate.not_after)}, before the leaf ({format_utc(leaf.not_after)})",
    )


def completing_file(chain: Chain, server: HostView | None) -> str | None:
    """Return the file on the host whose certificates complete a path to a trust anchor, or None."""
    if chain.is_anchored:
        return None
    return next((path for path, bundle in bundles(server) if chain.is_completed_by(bundle)), None)
