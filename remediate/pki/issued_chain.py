"""Checks what a CA issued before any service is changed: that it is what was ordered, and that it can be served.

Every byte of the CA is hostile input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.analysis.chains import untrusted_reason
from audit.analysis.path_faults import DATES, SIGNATURE, UNVERIFIED_SIGNATURE, USAGE, violations_above_leaf
from audit.analysis.validity import expiring_margin, renewal_margin, time_left
from audit.endpoint import to_address
from audit.policy import Policy
from audit.text import duration, format_utc, join_clauses, join_limited, one_line
from audit.x509.algorithms import FORGEABLE_DIGESTS
from audit.x509.certificate import Certificate, read_certificate
from audit.x509.path.served_chain import Chain, read_chain
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.pem import certificate_blocks
from remediate.pki.csr import Csr

MAX_PEM: Final = 262_144  # characters; a leaf with a hundred names and its chain has less than 20,000
MAX_CERTIFICATES: Final = 10  # in a bundle; the longest public paths have five
ROUNDING: Final = timedelta(days=1)
"""How much longer than ordered a certificate may be valid: CAs round to whole days."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What was ordered: a certificate for the key of this CSR, these names, and at most this lifetime.

    A policy says when a certificate is renewed, so one that is to be renewed at once does not help.
    """

    csr: Csr
    names: tuple[str, ...]
    lifetime: timedelta = timedelta(days=90)
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class IssuedPem:
    """What the CA issued, as PEM text."""

    certificate_pem: str | None
    ca_bundle_pem: str | None = None


@dataclass(frozen=True, slots=True)
class InstallableChain:
    """A checked leaf, and the intermediates to serve with it: each certifies one before it, and none is a root."""

    leaf: Certificate
    intermediates: tuple[Certificate, ...]

    @property
    def leaf_pem(self) -> str:
        """The leaf, encoded again, so that no text of the CA is installed."""
        return _to_pem(self.leaf)

    @property
    def chain_pem(self) -> str:
        """The intermediates, encoded likewise."""
        return "".join(map(_to_pem, self.intermediates))


@dataclass(frozen=True, slots=True)
class Rejection:
    """Every reason why an issued certificate must not be installed."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        """Return the reasons in one line."""
        return join_clauses(self.reasons)


def check_issued(
    issued: IssuedPem, expected: Expected, anchors: TrustAnchors | None, now: datetime
) -> InstallableChain | Rejection:
    """Return the chain to install, or every reason not to. Without anchors only the leaf's issuer must be there."""
    certificates, faults = _read("the certificate", issued.certificate_pem or "")
    bundle, bundle_faults = _read("the CA bundle", issued.ca_bundle_pem) if issued.ca_bundle_pem else ((), [])
    reasons = [*faults, *bundle_faults]
    if not certificates:
        return _rejection(reasons)
    leaf, *others = certificates
    chain = read_chain(
        (leaf.der, *(certificate.der for certificate in (*others, *bundle))), anchors or TrustAnchors({}), now
    )
    intermediates = _in_order(chain, now)
    reasons += _leaf_faults(leaf, expected, now)
    if anchors is None:
        reasons += _unanchored_faults(leaf, intermediates)
    else:
        reasons += (*_path_faults(chain), *_refused_leaf(chain))
    return _rejection(reasons) if reasons else InstallableChain(leaf, intermediates)


def check_chain(
    leaf_der: bytes, candidates: Iterable[bytes], anchors: TrustAnchors, now: datetime
) -> InstallableChain | Rejection:
    """Return an installed leaf with the intermediates to serve with it, from untrusted candidates; else why not."""
    chain = read_chain((leaf_der, *dict.fromkeys(candidates)), anchors, now)
    leaf = chain.leaf
    reasons = [str(fault) for fault in leaf.faults]
    if leaf.has_readable("not_before", "not_after"):
        reasons += _time_faults("the certificate", leaf, now)
    reasons += _path_faults(chain)
    return _rejection(reasons) if reasons else InstallableChain(leaf, _in_order(chain, now))


def _rejection(reasons: list[str]) -> Rejection:
    """Return a rejection without control characters in the CA's text."""
    return Rejection(tuple(map(one_line, reasons)))


def _read(what: str, pem: str) -> tuple[tuple[Certificate, ...], list[str]]:
    """Return the certificates in a text and its faults; the text is quoted only if it is not PEM."""
    if len(pem) > MAX_PEM:
        return (), [f"{what} has {len(pem)} characters (limit {MAX_PEM})"]
    if "PRIVATE KEY" in pem:
        return (), [f"{what} holds a private key: the CA has that key, so it must never be used"]
    blocks = certificate_blocks(pem)
    if not blocks:
        begins = f"it begins {_beginning(pem)!r}" if pem.strip() else "it is empty"
        return (), [f"{what} is not a PEM certificate: {begins}"]
    if len(blocks) > MAX_CERTIFICATES:
        return (), [f"{what} holds {len(blocks)} certificates (limit {MAX_CERTIFICATES})"]
    certificates = tuple(read_certificate(der or b"") for der in blocks)
    unreadable = [fault for certificate in certificates for fault in certificate.faults]
    return certificates, [f"{what} cannot be read: {join_limited(unreadable, 3)}"] if unreadable else []


def _beginning(text: str) -> str:
    return " ".join(text[:80].split())[:40]


def _leaf_faults(leaf: Certificate, expected: Expected, now: datetime) -> Iterator[str]:
    """Yield every difference of the leaf from the order; unreadable fields are reported before."""
    if leaf.has_readable("spki_sha256") and leaf.spki_sha256 != expected.csr.spki_sha256:
        yield f"the certificate is for another key (SPKI {leaf.spki_sha256[:16]}…) than {expected.csr}"
    if leaf.has_readable("dns_names", "ip_addresses"):
        yield from _name_faults(leaf, expected.names)
    if leaf.has_readable("not_before", "not_after"):
        yield from _time_faults("the certificate", leaf, now)
    if leaf.has_readable("lifetime") and leaf.lifetime > expected.lifetime + ROUNDING:
        yield f"the certificate is valid for {duration(leaf.lifetime)} (ordered: {duration(expected.lifetime)})"
    if expected.policy and leaf.has_readable("not_before", "not_after", "issuer"):
        yield from _renewal_faults(leaf, expected.policy, now)
    if leaf.has_readable("extended_key_usages") and "serverAuth" not in (leaf.extended_key_usages or ()):
        yield "the certificate is not for servers: serverAuth is not among its extended key usages"
    if leaf.has_readable("is_ca") and leaf.is_ca:
        yield "the certificate is a CA certificate"
    yield from _digest_faults("the certificate", leaf)


def _renewal_faults(leaf: Certificate, policy: Policy, now: datetime) -> Iterator[str]:
    margin = max(expiring_margin(leaf, policy), renewal_margin(leaf, policy))
    if leaf.not_before <= now <= leaf.not_after and time_left(leaf, now) < margin.span:
        left = f"the certificate is valid for {duration(time_left(leaf, now))} more"
        yield f"{left}, so it would have to be renewed at once: the policy {margin.policy} renews {margin.rule}"


def lifetime_remark(leaf: Certificate, promised: timedelta | None, issuer: str) -> str | None:
    """Return what to report about a certificate that is valid, but for less time than was ordered; else None."""
    if promised is None or leaf.lifetime >= promised - ROUNDING:
        return None
    found = f"the new certificate is valid for {duration(leaf.lifetime)}, but {duration(promised)} were ordered"
    return f"{found}: it is installed, because it is valid; contact {issuer} about the rest"


def _name_faults(leaf: Certificate, expected: tuple[str, ...]) -> Iterator[str]:
    ordered = {to_address(name) or name.lower().rstrip(".") for name in expected}
    presented = {*(name.lower() for name in leaf.dns_names), *leaf.ip_addresses}
    if missing := sorted(ordered - presented):
        yield f"the certificate lacks {join_limited(missing)}"
    if extra := sorted(presented - ordered):
        yield f"the certificate also holds {join_limited(extra)}, which was not ordered"
    if others := _other_kinds(leaf):
        yield f"the certificate also holds names of other kinds: {join_limited(others)}"


def _other_kinds(leaf: Certificate) -> list[str]:
    """Return the kinds of names that are neither dNSName nor iPAddress; the names must be readable."""
    names = leaf.extension(x509.SubjectAlternativeName) or ()
    return sorted({type(name).__name__ for name in names if not isinstance(name, x509.DNSName | x509.IPAddress)})


def _time_faults(what: str, certificate: Certificate, now: datetime) -> Iterator[str]:
    if now < certificate.not_before:
        yield f"{what} is not valid before {format_utc(certificate.not_before)}"
    if now > certificate.not_after:
        yield f"{what} expired at {format_utc(certificate.not_after)}"


def _digest_faults(what: str, certificate: Certificate) -> Iterator[str]:
    if certificate.has_readable("signature_digest") and certificate.signature_digest in FORGEABLE_DIGESTS:
        yield f"{what} is signed over {certificate.signature_digest}, of which collisions are known"


def _path_faults(chain: Chain) -> Iterator[str]:
    """Yield why clients refuse the path from the leaf to an anchor, by `validate_path`."""
    why = untrusted_reason(chain)
    if why is not None:
        yield f"no path leads to a trust anchor: {why}"
    if chain.is_anchored:
        yield from (f"clients refuse the path: {violation}" for violation in violations_above_leaf(chain))


def _refused_leaf(chain: Chain) -> Iterator[str]:
    """Yield why clients refuse the leaf itself, except dates, digest and usages, which are checked before."""
    checked = (*DATES, *SIGNATURE, *USAGE, *UNVERIFIED_SIGNATURE)
    violations = chain.validation.violations if chain.is_anchored else ()
    yield from (
        str(violation) for violation in violations if violation.position == 0 and violation.clause not in checked
    )


def _unanchored_faults(leaf: Certificate, intermediates: tuple[Certificate, ...]) -> Iterator[str]:
    """Yield a fault if no intermediate came with the leaf; without anchors it is unknown whether that is enough."""
    if not intermediates and leaf.has_readable("issuer"):
        yield f"no usable certificate of the issuer {leaf.issuer} came with it"


def _ca_faults(certificate: Certificate, now: datetime) -> Iterator[str]:
    """Yield why a certificate cannot stand between leaf and anchor (RFC 5280 6.1.3, 6.1.4)."""
    what = f"the issuer {certificate}"
    if not certificate.has_readable("is_ca", "not_before", "not_after"):
        yield f"{what} cannot be read"
        return
    if not certificate.is_ca:
        yield f"{what} is not a CA according to its basicConstraints"
    yield from _time_faults(what, certificate, now)
    yield from _digest_faults(what, certificate)


def _in_order(chain: Chain, now: datetime) -> tuple[Certificate, ...]:
    """Return the usable intermediates, those of the path first and then those of other paths; roots are not served.

    An intermediate of another path is kept because clients with older anchors need it.
    """
    on_path = (chain.path or ())[1:-1]
    others = (
        certificate
        for certificate in chain.reached[1:]
        if not certificate.is_known_self_signed and not any(_replaces(used, certificate) for used in on_path)
    )
    return (*on_path, *(certificate for certificate in others if not any(_ca_faults(certificate, now))))


def _replaces(used: Certificate, other: Certificate) -> bool:
    """Return whether a certificate makes another unnecessary: both are of the same CA, by the same issuer.

    The fields are readable, because both certificates can be in a path.
    """
    facts = ("canonical_subject", "spki_sha256", "canonical_issuer")
    return all(getattr(used, fact) == getattr(other, fact) for fact in facts)


def _to_pem(certificate: Certificate) -> str:
    if not certificate.has_readable("parsed"):
        raise ValueError(f"{certificate!r} cannot be converted to PEM, because it cannot be read")
    return certificate.parsed.public_bytes(Encoding.PEM).decode("ascii")
