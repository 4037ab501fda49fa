"""Rules for the revocation pointers and the embedded timestamps of a certificate. No timestamp is verified."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from audit.x509.lint import LintRule, day
from audit.x509.raw import CRL_POINTS, POISON, RawCertificate

STRICTER_SHORT_LIVED: Final = day(2026, 3, 15)
BY_DAYS: Final = day(2021, 4, 21)  # from here on Apple counts the days of the validity, not the months
NO_REVOCATION, FEW_SCTS = "cert.no-revocation-info", "cert.sct-insufficient"


def is_short_lived(raw: RawCertificate) -> bool:
    """Return whether the certificate is short-lived, so that it need not be revoked (BR 1.6.1)."""
    days = 7 if raw.not_before >= STRICTER_SHORT_LIVED else 10
    return raw.lifetime <= timedelta(days=days)


def no_revocation(raw: RawCertificate) -> str | None:
    """Require the URL of a CRL or of an OCSP responder, unless the certificate is short-lived."""
    if raw.is_ca or is_short_lived(raw):
        return None
    if not raw.holds_nothing(CRL_POINTS) and CRL_POINTS in raw.extensions:
        return None
    return None if raw.ocsp_urls else "it names neither a CRL nor an OCSP responder, and is not short-lived"


def too_few_by_months(raw: RawCertificate) -> str | None:
    """Require as many logs as the validity in months demands."""
    steps = (_months_after(raw.not_before, months) for months in (15, 27, 39))
    return _fewer(raw, 2 + sum(raw.not_after >= step for step in steps))


def too_few_by_days(raw: RawCertificate) -> str | None:
    """Require two logs for a validity of at most 180 days, else three."""
    return _fewer(raw, 2 if raw.lifetime <= timedelta(days=180) else 3)


def _months_after(start: datetime, months: int) -> datetime:
    """Return the same day of a later month; a day that this month lacks counts on into the next."""
    years, month = divmod(start.month - 1 + months, 12)
    return start.replace(year=start.year + years, month=month + 1, day=1) + timedelta(days=start.day - 1)


def _fewer(raw: RawCertificate, required: int) -> str | None:
    if raw.is_ca or POISON in raw.extensions:
        return None
    seen = len(raw.log_ids)
    return None if seen >= required else f"it has SCTs of {seen} logs; browsers require {required}"


REVOCATION: Final = (LintRule("revocation", NO_REVOCATION, "BR", "7.1.2.11.2", day(2024, 3, 15), no_revocation),)
TRANSPARENCY: Final = (
    LintRule("logs-by-months", FEW_SCTS, "Apple 103214", "embedded SCTs", day(2018, 10, 15), too_few_by_months,
         until=BY_DAYS),
    LintRule("logs", FEW_SCTS, "Apple 103214", "embedded SCTs", BY_DAYS, too_few_by_days),
)  # fmt: skip
