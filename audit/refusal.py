"""Why a path is refused: a clause that something in it breaks, how, and where.

It knows no rule: each stands with its clause where it is applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Breach(NamedTuple):
    """A clause that is broken and how, before it is known where in a path."""

    clause: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason for which a path is refused; `clause` begins with its book, such as `RFC 5280` or `BR`."""

    clause: str
    place: str  # leaf, intermediate 1, anchor, path; with the subject where it can be read
    reason: str

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.place}: {self.reason} ({self.clause})"


def placed(place: str, breaches: Iterable[Breach]) -> Iterator[Refusal]:
    """Yield the breaches as refusals of that place."""
    return (Refusal(breach.clause, place, breach.reason) for breach in breaches)
