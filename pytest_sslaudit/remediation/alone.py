"""One run of the command at a time: its reports are one run's.

It knows the lock; what runs is not known here.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

from remediate.state.lock import Held, locked

__all__ = ["Held", "alone"]


def alone(folder: Path, now: datetime) -> AbstractContextManager[None]:
    """Hold the folder of the reports; raises Held where another run has it."""
    return locked(folder, "checkallsslcerts", now)
