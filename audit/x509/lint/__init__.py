"""Judges a certificate by rules, each with its rule book, its clause and the date from which it applies.

The rules are in the other modules of this package. A rule does not apply to a certificate issued before its date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, TypeVar

from audit.x509.certificate import Certificate, read_certificate
from audit.x509.loading import as_unreadable_field
from audit.x509.raw import KEY_CERT_SIGN, RawCertificate
from audit.x509.violation import PROFILE, Violation

_Value = TypeVar("_Value")


def day(year: int, month: int, of_month: int) -> datetime:
    """Return the beginning of a day, UTC."""
    return datetime(year, month, of_month, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class LintRule:
    """One rule of a book; equal to itself only.

    `judge` returns a message if a certificate breaks the rule, else None. The rule applies to certificates that were
    issued at or after `since` and before `until`, to servers, to CAs, or to any.
    """

    id: str
    check: str
    book: str
    clause: str
    since: datetime
    judge: Callable[[RawCertificate], str | None]
    until: datetime | None = None
    of: Literal["server", "CA", "any"] = "server"

    @property
    def source(self) -> str:
        """Return book and clause."""
        return f"{self.book} {self.clause}"

    def binds(self, issued: datetime, *, as_leaf: bool) -> bool:
        """Return whether the rule was in force at the date of issue, and is about a server or else a CA."""
        was_in_force = self.since <= issued and (self.until is None or issued < self.until)
        return was_in_force and self.of in ("any", "server" if as_leaf else "CA")


@dataclass(frozen=True, slots=True)
class Lint:
    """The outcome for one certificate: violated rules, what could not be read, and how many rules apply."""

    violations: tuple[Violation, ...] = ()
    unread: tuple[str, ...] = ()
    binding: int = 0


def read_raw(certificate: Certificate, read: Callable[[RawCertificate], _Value]) -> _Value:
    """Return what `read` returns for a certificate; raises UnreadableField if a field cannot be read."""
    try:
        return read(certificate.raw)
    except ValueError as error:
        raise as_unreadable_field("Certificate", error) from error


@lru_cache(maxsize=8192)
def lint(der: bytes, rules: tuple[LintRule, ...], *, as_leaf: bool = True) -> Lint:
    """Judge a certificate by rules, as the certificate of a server or of a CA; never raises for any bytes."""
    try:
        raw = read_certificate(der).raw
        issued = raw.not_before
    except ValueError as error:
        return Lint(unread=(str(error),))
    binding = [rule for rule in rules if rule.binds(issued, as_leaf=as_leaf)]
    violations, unread = list[Violation](), list[str]()
    for rule in binding:
        try:
            how = rule.judge(raw)
        except ValueError as error:
            unread.append(f"{rule.source}: {error}")
        else:
            violations += [] if how is None else [Violation(rule.source, how, PROFILE, rule.id)]
    return Lint(tuple(violations), tuple(unread), len(binding))


def is_signed_by_itself(raw: RawCertificate) -> bool:
    """Return whether a certificate is self-signed; True also if that is unknown."""
    if raw.issuer.content != raw.subject.content:
        return False
    certificate = read_certificate(raw.der)
    return not certificate.has_readable("is_self_signed") or certificate.is_self_signed


def is_of_ca(raw: RawCertificate) -> bool:
    """Return whether a certificate is a CA's, whose key may sign certificates (RFC 5280 4.2.1.3, 4.2.1.9)."""
    usages = raw.key_usages
    return raw.is_ca and (usages is None or KEY_CERT_SIGN in usages)
