"""Rules for the revocation pointers of a certificate."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from audit.x509.lint import LintRule, day
from audit.x509.raw import CRL_POINTS, RawCertificate

STRICTER_SHORT_LIVED: Final = day(2026, 3, 15)
NO_REVOCATION: Final = "cert.no-revocation-info"


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


REVOCATION: Final = (LintRule("revocation", NO_REVOCATION, "BR", "7.1.2.11.2", day(2024, 3, 15), no_revocation),)
