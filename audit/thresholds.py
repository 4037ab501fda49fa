"""What a policy compares with: every threshold by name, with its unit, and the profile that holds them.

It knows no values of any policy and no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from audit.checks import Severity


@dataclass(frozen=True, slots=True)
class DatedLimit:
    """A limit in days for what was issued at or after an instant."""

    issued_from: datetime
    days: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Every number and list that a check compares with. The defaults say nothing; profiles do."""

    signature_digests: tuple[str, ...] = ()  # digests, or the names of algorithms that have none of their own
    curves: tuple[str, ...] = ()
    rsa_bits_min: int = 0
    rsa_bits_multiple: int = 1
    rsa_exponent_min: int = 0
    eku_required: bool = False
    validity_max: tuple[DatedLimit, ...] = ()
    validity_of_public_only: bool = False  # the limit binds publicly trusted issuers only
    not_before_tolerance_s: int = 0
    clock_offset_max_s: int = 0
    short_lived_days: int = 0
    renewal_fraction: Fraction = Fraction(0)
    renewal_fraction_short_lived: Fraction = Fraction(0)
    expiring_fraction: Fraction = Fraction(0)
    expiring_days: int = 0
    expiring_days_short_lived: int = 0
    expiring_days_own: int = 0
    own_issuers: tuple[str, ...] = ()  # what stands in the issuer's name of a certificate of the panel's own provider
    protocols_forbidden: tuple[str, ...] = ()
    key_owners: tuple[str, ...] = ()
    key_groups: tuple[str, ...] = ()
    revocation_order: tuple[str, ...] = ()  # "crl", "ocsp": which is asked first, after the stapled answer
    revocation_exempt: tuple[DatedLimit, ...] = ()  # up to how many days a certificate need not be revoked
    ocsp_ageless_s: int = 0  # how long an OCSP answer without nextUpdate holds
    placeholders: tuple[str, ...] = ()  # what stands in the subject of a placeholder certificate


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of thresholds, with the source of each, and what it says of single checks.

    `severities` by check id; `disabled` the reason by check id; `sources` by threshold.
    """

    name: str
    title: str
    thresholds: Thresholds
    sources: Mapping[str, str] = field(default_factory=dict)
    severities: Mapping[str, Severity] = field(default_factory=dict)
    disabled: Mapping[str, str] = field(default_factory=dict)
