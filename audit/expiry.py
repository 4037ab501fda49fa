"""How long before its end a certificate is to be renewed, and from when it is late, by each policy.

It knows no clock: what is left is the caller's to compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from audit.certificate import Certificate
from audit.thresholds import Thresholds
from audit.words import duration


@dataclass(frozen=True, slots=True, order=True)
class Margin:
    """A time before the end of a certificate, and the rule behind it in words: `third-party certificates 3 days`."""

    span: timedelta
    rule: str


def renewal_margin(certificate: Certificate, limits: Thresholds) -> Margin:
    """Return how long before its end a certificate is due for renewal: a fraction of its life."""
    is_short = _is_short_lived(certificate, limits)
    fraction = limits.renewal_fraction_short_lived if is_short else limits.renewal_fraction
    span = _share(certificate.lifetime, fraction)
    return Margin(span, f"certificates {duration(span)} before their end ({fraction} of their life)")


def expiring_margin(certificate: Certificate, limits: Thresholds) -> Margin:
    """Return how long before its end a certificate that was not renewed is late: a fraction of its life, or days."""
    if any(name in certificate.issuer for name in limits.own_issuers):
        return _days(limits.expiring_days_own, "its own provider's certificates")
    is_short = _is_short_lived(certificate, limits)
    days = limits.expiring_days_short_lived if is_short else limits.expiring_days
    least = _days(days, "third-party certificates" if limits.own_issuers else "certificates")
    share = _share(certificate.lifetime, limits.expiring_fraction)
    if share <= least.span:
        return least
    percent = float(limits.expiring_fraction * 100)
    return Margin(share, f"certificates {duration(share)} before their end at the latest ({percent:g} % of their life)")


def _days(days: int, whose: str) -> Margin:
    span = timedelta(days=days)
    return Margin(span, f"{whose} {duration(span)} before")


def _is_short_lived(certificate: Certificate, limits: Thresholds) -> bool:
    return certificate.lifetime < timedelta(days=limits.short_lived_days)


def _share(life: timedelta, fraction: Fraction) -> timedelta:
    return life * fraction.numerator / fraction.denominator
