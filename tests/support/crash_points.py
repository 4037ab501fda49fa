"""How many of the points at which a program can be killed the tests try.

Every change tries some of them; `make test-matrix PART=crash` tries all, by SSLAUDIT_TEST_STRIDE=1.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

STRIDE: Final = int(os.environ.get("SSLAUDIT_TEST_STRIDE", "12"))
"""The step between tried commands, if each command is a point."""
STEP: Final = max(1, STRIDE // 4)
"""The step between tried records, if each record of the journal is a point."""


def sampled(points: Sequence[T]) -> Sequence[T]:
    """Return one in STEP of these points."""
    return points[::STEP]
