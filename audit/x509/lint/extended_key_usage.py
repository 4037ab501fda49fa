"""What a certificate may be used for: its extended key usages, read independently of its other extensions."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from audit.policy.thresholds import Thresholds
from audit.x509.certificate import Certificate
from audit.x509.fields import USAGES
from audit.x509.lint import LintRule, day, read_raw
from audit.x509.raw import RawCertificate

ONLY_SERVERS: Final = day(2023, 9, 15)  # ballot SC62v2
FORBIDDEN: Final = ("anyExtendedKeyUsage", "codeSigning", "emailProtection", "timeStamping", "OCSPSigning",
                    "1.3.6.1.4.1.11129.2.4.4")  # fmt: skip
"""Usages that a server's certificate must not have (BR 7.1.2.7.10); the last signs precertificates."""


def presents_names(certificate: Certificate) -> bool:
    """Return whether the subject alternative name has a dNSName or an iPAddress; raises UnreadableField."""
    return read_raw(certificate, lambda raw: bool(raw.dns_names or raw.addresses))


def eku_faults(certificate: Certificate, limits: Thresholds) -> tuple[str, ...]:
    """Return why the extended key usage is not that of a server.

    A policy that does not require one also accepts anyExtendedKeyUsage. Raises UnreadableField.
    """
    usages = read_raw(certificate, _usages)
    if usages is None:
        return ("there is no extended key usage; serverAuth is required",) if limits.eku_required else ()
    admitted = {"serverAuth"} if limits.eku_required else {"serverAuth", "anyExtendedKeyUsage"}
    shown = f"the extended key usage is {', '.join(usages) or 'empty'}"
    if not admitted & set(usages):
        return (f"{shown}; serverAuth is required",)
    others = [usage for usage in usages if usage in FORBIDDEN]
    if not (limits.eku_required and others and read_raw(certificate, _issued) >= ONLY_SERVERS):
        return ()
    return (f"{shown}; {', '.join(others)} is forbidden beside serverAuth",)


def admits_clients(raw: RawCertificate) -> str | None:
    """Return the fault of a certificate of a server that is also for clients."""
    if {"serverAuth", "clientAuth"} <= set(_usages(raw) or ()):
        return "its extended key usages include clientAuth; only serverAuth is allowed"
    return None


def _usages(raw: RawCertificate) -> tuple[str, ...] | None:
    return None if raw.usages is None else tuple(USAGES.get(usage, usage) for usage in raw.usages)


def _issued(raw: RawCertificate) -> datetime:
    return raw.not_before


CLIENTS: Final = "cert.eku-clientauth"
CLIENT_AUTH_RULES: Final = (
    LintRule("clients", CLIENTS, "Chrome Root Program", "1.3.2", day(2027, 3, 15), admits_clients),
)
