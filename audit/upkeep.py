"""How a panel's server keeps its certificates up, as it says itself: what is switched off, run nightly, and to whom.

Values alone: it judges nothing and reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A file in the folder that a CA fetches proofs from."""

    path: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What a cPanel & WHM server says of how it keeps its certificates up.

    `switched_off` are the touch files that are there, `contacts` who is told, `schedules` the lines that run the
    panel's nightly update or ours, each with its file.
    """

    version: str
    switched_off: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    tokens: tuple[Token, ...] = ()
