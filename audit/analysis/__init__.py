"""Computes from an observation what a check asserts, without I/O. Nothing here raises a verdict."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Uncertain:
    """Why a check cannot be decided from an observation.

    `because` is the id of the finding of the same endpoint that is the cause, if another finding is.
    """

    reason: str
    because: str | None = None

    def __str__(self) -> str:
        """Return the reason."""
        return self.reason


@dataclass(frozen=True, slots=True)
class Exempt:
    """Why a requirement does not apply to what was observed."""

    reason: str


Obstacle = Uncertain | Exempt
"""What prevents a check from passing or failing."""
