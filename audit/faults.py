"""What is wrong with certificates and handshakes, in a clause each: unreadable fields, signatures, versions.

It knows no severity and no endpoint.
"""

from __future__ import annotations

from audit.observation import Handshake
from audit.policy.thresholds import Thresholds
from audit.x509.certificate import Certificate
from audit.x509.path.served_chain import Chain
from audit.x509.path.trust_store import LINKED
from audit.x509.public_keys import small_factors, weaknesses


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
        if _is_anchor(one, chain) and one.can_ask("is_self_signed") and one.is_self_signed
    )  # fmt: skip


def weak_ca_keys(chain: Chain, limits: Thresholds) -> tuple[str, ...]:
    """Say in a clause each what is wrong with the key of an intermediate."""
    return tuple(
        f"{one}: {clause}"
        for one in chain.intermediates
        for clause in (*weaknesses(one.key, limits), *small_factors(one.key))
    )


def old_versions(handshakes: tuple[Handshake, ...], limits: Thresholds) -> tuple[str, ...]:
    """Say in a clause each which address accepts which version of the protocol that must not be used."""
    accepted = ((handshake.address, _accepted(handshake)) for handshake in handshakes)
    return tuple(
        f"{address} accepts {version}"
        for address, versions in accepted
        for version in dict.fromkeys(versions)
        if version in limits.protocols_forbidden
    )


def untold_versions(handshakes: tuple[Handshake, ...], limits: Thresholds) -> tuple[str, ...]:
    """Say in a clause each of which address it could not be told whether it accepts versions that must not be used."""
    forbids_tls12 = "TLSv1.2" in limits.protocols_forbidden
    return tuple(
        f"whether {version} is accepted could not be told at {handshake.address}"
        for handshake in handshakes
        for version, is_untold in (
            ("TLS 1.0 or 1.1", handshake.old_protocols is None),
            ("TLS 1.2", forbids_tls12 and handshake.version == "TLSv1.3" and handshake.tls12 is None),
        )
        if is_untold
    )


def _accepted(handshake: Handshake) -> tuple[str, ...]:
    tls12 = ("TLSv1.2",) if handshake.tls12 else ()
    return (handshake.version, *tls12, *(handshake.old_protocols or ()))


def _is_anchor(certificate: Certificate, chain: Chain) -> bool:
    return certificate.can_ask(*LINKED) and chain.anchors.matching(certificate) is not None
