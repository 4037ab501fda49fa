"""Counts comparisons for each service, and says which goals are missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from bench.field.comparison import Comparison, Kind, Result

HEADER: Final = (
    f"{'service':10} {'what':13}{'right':>7}{'named':>7}{'missed':>7}{'wrong':>7}{'recall':>9}{'precision':>11}"
)
_REPORTED: Final[Mapping[Kind, float]] = {"tests": 1.0, "sockets": 1.0, "certificates": 1.0, "docroots": 0.95}
"""The least share of what a daemon serves that discovery must find or name as not read."""


@dataclass(frozen=True, slots=True)
class Score:
    """The comparisons of one kind for one service."""

    service: str
    kind: Kind
    counts: Mapping[Result, int]

    @property
    def recall(self) -> float:
        """The share of what is served that was found, or named as not read."""
        reported = self.counts["right"] + self.counts["named"]
        return reported / max(1, reported + self.counts["missed"])

    @property
    def precision(self) -> float:
        """The share of what was found that is so."""
        found = self.counts["right"] + self.counts["wrong"]
        return self.counts["right"] / found if found else 1.0

    @property
    def meets_goal(self) -> bool:
        """Whether enough is reported, and nothing is wrong."""
        return self.recall >= _REPORTED[self.kind] and not self.counts["wrong"]

    def __str__(self) -> str:
        """Return the row of the table."""
        counts = "".join(f"{self.counts[result]:7}" for result in get_args(Result))
        return f"{self.service:10} {self.kind:13}{counts}{self.recall:9.0%}{self.precision:11.0%}"


def scores(comparisons: Mapping[str, Sequence[Comparison]]) -> Iterator[Score]:
    """Yield the score of each service and kind."""
    for service, rows in sorted(comparisons.items()):
        for kind in get_args(Kind):
            results = [row.result for row in rows if row.kind == kind]
            if results:
                yield Score(service, kind, {result: results.count(result) for result in get_args(Result)})
