"""Computes when a certificate must be renewed, when renewal is late, and how long a certificate may be valid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from audit.analysis import Obstacle
from audit.analysis.lint_scope import not_publicly_trusted
from audit.policy import Policy
from audit.policy.thresholds import DatedLimit, Thresholds
from audit.text import duration, format_utc
from audit.x509.certificate import Certificate
from audit.x509.path.served_chain import Chain


@dataclass(frozen=True, slots=True, order=True)
class Margin:
    """A time before the end of a certificate, the rule that sets it, and the policy of the rule."""

    span: timedelta
    rule: str  # "third-party certificates 3 days before"
    policy: str = ""

    def __str__(self) -> str:
        """Return what is required."""
        return f"at least {duration(self.span)} left"


def renewal_margin(certificate: Certificate, policy: Policy) -> Margin:
    """Return how long before its end the strictest profile renews a certificate."""
    margin, profile = policy.greatest(lambda limits: _renewal(certificate, limits))
    return Margin(margin.span, margin.rule, profile)


def expiring_margin(certificate: Certificate, policy: Policy) -> Margin:
    """Return how long before its end the strictest profile reports a certificate that was not renewed."""
    margin, profile = policy.greatest(lambda limits: _expiring(certificate, limits))
    return Margin(margin.span, margin.rule, profile)


def time_left(certificate: Certificate, now: datetime) -> timedelta:
    """Return the rest of the validity; below zero if the certificate has expired."""
    return certificate.not_after - now


def expires(certificate: Certificate, now: datetime, margin: Margin) -> str:
    """Return the message: when a certificate expires, and which rule that breaks."""
    expiry = f"expires in {duration(certificate.not_after - now)} ({format_utc(certificate.not_after)})"
    return f"{expiry}; the policy {margin.policy} renews {margin.rule}"


def clock_tolerance(policy: Policy) -> tuple[timedelta, str]:
    """Return by how much a validity may begin in the future, and the strictest profile, which sets it."""
    tolerance_s, profile = policy.least(lambda limits: limits.not_before_tolerance_s)
    return timedelta(seconds=tolerance_s), profile


def not_yet_valid(certificate: Certificate, now: datetime, *, is_clock_off: bool) -> str:
    """Return the message of a certificate that is not valid yet."""
    start = certificate.not_before
    advice = "; the host's clock is off: fix that first (ops.clock-skew)" if is_clock_off else ""
    return f"not valid until {format_utc(start)}, in {duration(start - now)}{advice}"


def validity_excesses(certificate: Certificate, chain: Chain, policy: Policy) -> tuple[tuple[str, str], ...] | Obstacle:
    """Return one message per profile whose limit the validity exceeds, with the name of the profile.

    A limit of the public PKI binds publicly trusted issuers, and every issuer if the user named that policy.
    """
    is_bound = policy.is_named or chain.anchor_is_public
    if not is_bound and all(profile.thresholds.validity_of_public_only for profile in policy.profiles):
        return not_publicly_trusted(chain) or ()
    return policy.faults(
        lambda limits: validity_excess(certificate, limits) if is_bound or not limits.validity_of_public_only else ()
    )


def validity_excess(certificate: Certificate, limits: Thresholds) -> tuple[str, ...]:
    """Return a message if the validity, both ends included, exceeds the limit of the date of issue (BR 6.3.2)."""
    limit = validity_limit(limits, certificate.not_before)
    if limit is None:
        return ()
    excess = certificate.lifetime - timedelta(days=limit.days)
    if excess <= timedelta(0):
        return ()
    rule = f"the limit is {limit.days} days for certificates issued from {limit.issued_from:%Y-%m-%d} on"
    return (f"valid for {duration(certificate.lifetime)}, {duration(excess)} too long: {rule}",)


def validity_limit(limits: Thresholds, issued: datetime) -> DatedLimit | None:
    """Return the limit of the validity of what is issued at an instant; None if there is none."""
    applying = (limit for limit in limits.validity_max if limit.issued_from <= issued)
    return max(applying, key=lambda limit: limit.issued_from, default=None)


def _renewal(certificate: Certificate, limits: Thresholds) -> Margin:
    is_short = _is_short_lived(certificate, limits)
    fraction = limits.renewal_fraction_short_lived if is_short else limits.renewal_fraction
    span = _share(certificate.lifetime, fraction)
    return Margin(span, f"certificates {duration(span)} before their end ({fraction} of their life)")


def _expiring(certificate: Certificate, limits: Thresholds) -> Margin:
    if any(name in certificate.issuer for name in limits.own_issuers):
        return _days(limits.expiring_days_own, "its own provider's certificates")
    is_short = _is_short_lived(certificate, limits)
    days = limits.expiring_days_short_lived if is_short else limits.expiring_days
    least = _days(days, "third-party certificates" if limits.own_issuers else "certificates")
    share = _share(certificate.lifetime, limits.expiring_fraction)
    if share <= least.span:
        return least
    percent = f"{float(limits.expiring_fraction * 100):g} % of their life"
    return Margin(share, f"certificates {duration(share)} before their end at the latest ({percent})")


def _days(days: int, certificates: str) -> Margin:
    span = timedelta(days=days)
    return Margin(span, f"{certificates} {duration(span)} before")


def _is_short_lived(certificate: Certificate, limits: Thresholds) -> bool:
    return certificate.lifetime < timedelta(days=limits.short_lived_days)


def _share(life: timedelta, fraction: Fraction) -> timedelta:
    return life * fraction.numerator / fraction.denominator
