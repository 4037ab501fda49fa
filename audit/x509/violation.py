"""A rule that a certificate, a path, a CRL or an OCSP response breaks: the clause and how it is broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Kind = Literal["client", "profile"]
"""`client`: RFC 5280 path validation and today's clients refuse the path. `profile`: only a rule book forbids it."""

CLIENT: Final = "client"
PROFILE: Final = "profile"


class Violation(NamedTuple):
    """A broken clause, which begins with its book, such as `RFC 5280` or `BR`, and how it is broken."""

    clause: str
    reason: str
    kind: Kind = CLIENT
    rule: str = ""  # the id of a rule of `audit.x509.lint`

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.reason} ({self.clause})"


@dataclass(frozen=True, slots=True)
class PathViolation:
    """A violation and the certificate of a path that breaks the clause."""

    clause: str
    place: str  # leaf, intermediate 1, anchor, path; with the subject if it can be read
    reason: str
    kind: Kind = "client"
    position: int | None = None  # of the certificate in the path, 0 for the leaf; None for the path as a whole

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.place}: {self.reason} ({self.clause})"


def placed(place: str, violations: Iterable[Violation], position: int | None = None) -> Iterator[PathViolation]:
    """Yield violations of one certificate of a path, or of the path as a whole."""
    return (
        PathViolation(violation.clause, place, violation.reason, violation.kind, position) for violation in violations
    )
