"""What is wrong with certificates and handshakes, in a clause each: unreadable fields, usages, signatures, versions.

It knows no severity and no endpoint.
"""

from __future__ import annotations

from audit.anchors import LINKED
from audit.certificate import Certificate
from audit.chain import Chain
from audit.observation import Handshake
from audit.thresholds import Thresholds


def chain_faults(chain: Chain) -> tuple[str, ...]:
    """Say in a clause each what cannot be read in the certificates sent; a trust anchor is trusted as it is."""
    return tuple(
        f"the leaf's {fault}" if index == 0 else f"certificate {index + 1}, {fault}"
        for index, certificate in enumerate(chain.certificates)
        if not _is_anchor(certificate, chain)
        for fault in certificate.faults
    )


def eku_fault(certificate: Certificate, limits: Thresholds) -> tuple[str, ...]:
    """Say why the extended key usage does not admit servers; where it may be left out, it may also be any."""
    usages = certificate.extended_key_usages
    if usages is None:
        return ("no extended key usage; serverAuth is required",) if limits.eku_required else ()
    admitted = {"serverAuth"} if limits.eku_required else {"serverAuth", "anyExtendedKeyUsage"}
    return () if admitted & set(usages) else (f"extended key usage {', '.join(usages)}; serverAuth is required",)


def forgeable_signatures(chain: Chain, limits: Thresholds) -> tuple[str, ...]:
    """Say in a clause each which of leaf and intermediates is signed with a digest that is not admitted."""
    admitted = limits.signature_digests
    return tuple(
        f"{certificate} is signed with {certificate.signature_algorithm}"
        + (f" ({certificate.signature_digest})" if certificate.signature_algorithm == "id-RSASSA-PSS" else "")
        + f"; admitted are {', '.join(admitted)}"
        for certificate in (chain.leaf, *chain.intermediates)
        if (certificate.signature_digest or certificate.signature_algorithm) not in admitted
    )


def old_versions(handshakes: tuple[Handshake, ...], limits: Thresholds) -> tuple[str, ...]:
    """Say in a clause each which address accepts which version of the protocol that must not be used."""
    accepted = ((handshake.address, (handshake.version, *(handshake.old_protocols or ()))) for handshake in handshakes)
    return tuple(
        f"{address} accepts {version}"
        for address, versions in accepted
        for version in dict.fromkeys(versions)
        if version in limits.protocols_forbidden
    )


def _is_anchor(certificate: Certificate, chain: Chain) -> bool:
    return certificate.can_ask(*LINKED) and chain.anchors.matching(certificate) is not None
