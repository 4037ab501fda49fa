"""How far a run may go: how many repairs, which hosts and names it leaves alone, how old what it acts on may be.

It knows no configuration file: whoever reads one makes this value of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from audit.text import matches_glob


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a run. In `hosts_left_out` (specifications) and `names_left_out` a `*` stands for any text."""

    max_cases: int = 20
    foreign: Literal["explain", "run-owner"] = "explain"
    hosts_left_out: tuple[str, ...] = ()
    names_left_out: tuple[str, ...] = ()
    max_age: timedelta = timedelta(minutes=30)  # an audit of a thousand endpoints is done in half of it
    future: timedelta = timedelta(minutes=2)  # as much as a clock may be off (ops.clock-skew: 120 s)
    can_order: bool = True  # an issuer is configured
    is_panels_issuer: bool = False  # it is a panel's own program, which orders for the panel's services alone


def fits(text: str, globs: Iterable[str]) -> bool:
    """Tell whether a text is one of these."""
    return any(matches_glob(one, text) for one in globs)
