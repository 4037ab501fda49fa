"""The thresholds of a policy by name, each with its unit, and the profile that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Final

from audit.verdict import Severity

NEEDED: Final = (
    "signature_digests",
    "curves",
    "not_before_tolerance_s",
    "clock_offset_max_s",
    "key_owners",
    "key_groups",
    "revocation_exempt",
    "ocsp_ageless_s",
)
"""The thresholds that a profile without `extends` must set, because their defaults would admit nothing."""

_HASHES: Final = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512")
_EDWARDS: Final = ("Ed25519", "Ed448")
ML_DSA: Final = ("ML-DSA-44", "ML-DSA-65", "ML-DSA-87")
"""The parameter sets of ML-DSA (FIPS 204), as RFC 9881 names them."""
WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "signature_digests": (*_HASHES, *_EDWARDS, *ML_DSA),
    "curves": ("P-192", "P-224", "P-256", "P-384", "P-521", "secp256k1", "brainpoolP256r1", "brainpoolP384r1",
               "brainpoolP512r1", *_EDWARDS, *ML_DSA),
    "key_kinds": ("RSA", "EC", *_EDWARDS, *ML_DSA),
    "protocols_forbidden": ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2"),
    "revocation_order": ("crl", "ocsp"),
    "revocation_digests": ("sha1",),
}  # fmt: skip
"""The words that a list may contain; a misspelt one would never match."""


@dataclass(frozen=True, slots=True)
class DatedLimit:
    """A limit in days for what was issued at or after an instant."""

    issued_from: datetime
    days: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Every number and list that a check compares with. Profiles set the values; the defaults require nothing."""

    signature_digests: tuple[str, ...] = ()  # digests of signatures, or algorithms that have none of their own
    curves: tuple[str, ...] = ()  # curves of EC keys, and kinds of keys of only one form, such as Ed25519
    key_kinds: tuple[str, ...] = ()  # kinds of a leaf's key; empty: every kind that clients support
    rsa_bits_min: int = 0  # least length of an RSA key
    rsa_bits_multiple: int = 1  # of which number the length is a multiple
    rsa_exponent_min: int = 0  # least public exponent
    rsa_exponent_bits_max: int = 0  # greatest length of the public exponent; 0: any
    eku_required: bool = False  # whether a leaf must have the extended key usage serverAuth
    validity_max: tuple[DatedLimit, ...] = ()  # longest validity in days, by the date of issuance
    validity_of_public_only: bool = False  # whether the limit binds publicly trusted issuers only
    not_before_tolerance_s: int = 0  # by how many seconds notBefore may lie in the future
    clock_offset_max_s: int = 0  # by how many seconds a host's clock may be off
    short_lived_days: int = 0  # up to how many days a certificate is short-lived
    renewal_fraction: Fraction = Fraction(0)  # the part of its validity at which a certificate should be renewed
    renewal_fraction_short_lived: Fraction = Fraction(0)  # the same of a short-lived certificate
    expiring_fraction: Fraction = Fraction(0)  # the rest of its validity at which a certificate is expiring
    expiring_days: int = 0  # the rest in days at which a certificate is expiring
    expiring_days_short_lived: int = 0  # the same of a short-lived certificate
    expiring_days_own: int = 0  # the same of a certificate from the panel's own provider
    own_issuers: tuple[str, ...] = ()  # parts of the issuer name of certificates from the panel's own provider
    protocols_forbidden: tuple[str, ...] = ()  # versions of TLS that a server must not accept
    key_owners: tuple[str, ...] = ()  # users that may own a key file
    key_groups: tuple[str, ...] = ()  # groups that may read a key file
    key_hosts_max: int = 0  # how many hosts may have one key, those of one service counted as one; 0: however many
    key_subscribers_max: int = 0  # in how many subscribers' certificates one key may be; 0: however many
    revocation_order: tuple[str, ...] = ()  # "crl", "ocsp": what is fetched first, after the stapled response
    revocation_digests: tuple[str, ...] = ()  # further digests in signatures of CRLs and OCSP responses
    revocation_exempt: tuple[DatedLimit, ...] = ()  # up to how many days a certificate need not be revoked
    ocsp_ageless_s: int = 0  # how long an OCSP response without nextUpdate is current
    placeholders: tuple[str, ...] = ()  # attributes in the subject of a placeholder certificate


@dataclass(frozen=True, slots=True)
class PolicyNote:
    """A legacy rule and the current practice that contradicts it, with the source of the current practice."""

    legacy_rule: str
    current_practice: str
    source: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of thresholds with their sources, and the settings of single checks.

    `severities` by check id; `disabled` the reason by check id; `sources` by threshold, `severity_sources` by check id.
    `notes` by check id: shown with a result of this profile.
    """

    name: str
    title: str
    thresholds: Thresholds
    sources: Mapping[str, str] = field(default_factory=dict)
    severities: Mapping[str, Severity] = field(default_factory=dict)
    disabled: Mapping[str, str] = field(default_factory=dict)
    severity_sources: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, PolicyNote] = field(default_factory=dict)
