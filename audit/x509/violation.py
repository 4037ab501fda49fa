"""Why a path is refused: the clause that something in it breaks, how, where, and who refuses it for that.

The rules themselves are in the `path_*` modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Kind = Literal["client", "profile"]
"""`client`: RFC 5280 path validation and today's clients refuse it. `profile`: only a rule book for CAs forbids it."""

CLIENT: Final = "client"
PROFILE: Final = "profile"


class Breach(NamedTuple):
    """A clause that is broken and how, before it is known where in a path."""

    clause: str
    reason: str
    kind: Kind = CLIENT


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason for which a path is refused; `clause` begins with its book, such as `RFC 5280` or `BR`."""

    clause: str
    place: str  # leaf, intermediate 1, anchor, path; with the subject where it can be read
    reason: str
    kind: Kind = "client"
    position: int | None = None  # of the certificate in the path, 0 for the leaf; None for the path as a whole

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.place}: {self.reason} ({self.clause})"


def placed(place: str, breaches: Iterable[Breach], position: int | None = None) -> Iterator[Refusal]:
    """Yield the breaches as refusals of that place."""
    return (Refusal(breach.clause, place, breach.reason, breach.kind, position) for breach in breaches)
