"""A measured figure beside its bound and its peer, and the table of figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value; `bound` is None if the figure only explains another one. `peer` is what it is compared with."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    side: Literal["at most", "at least"] = "at most"
    peer: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether the value is within its bound."""
        if self.bound is None:
            return True
        return self.value <= self.bound if self.side == "at most" else self.value >= self.bound

    def __str__(self) -> str:
        """Return the line of the table."""
        bound = "" if self.bound is None else f"{self.side} {self.bound:g}"
        broken = "" if self.is_kept else "BROKEN"
        return f"{self.name:64} {self.value:9.2f} {self.unit:8} {bound:13} {broken:7} {self.peer}".rstrip()


def report(figures: Iterable[Figure]) -> int:
    """Print each figure as soon as it is measured; return the exit status: 1 if one breaks its bound."""
    kept = True
    for figure in figures:
        print(figure, flush=True)
        kept = kept and figure.is_kept
    return int(not kept)
