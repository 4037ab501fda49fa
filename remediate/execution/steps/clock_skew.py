"""Compares the clocks of the host and of the issuer with the clock of the run.

With a wrong clock a valid certificate may look expired.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from audit.text import duration
from remediate.execution.case_context import CaseContext
from remediate.execution.steps.base import StepBlocked
from remediate.model.causes import Cause

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far two clocks may differ (the usual limit of Kerberos)."""


def require_same_time(context: CaseContext, owner: str, time: datetime | None) -> None:
    """Raise StepBlocked if the clock of another party is wrong; an unknown time is not compared."""
    if time is not None:
        _require_small(time - context.now(), owner)


def require_host_clock(context: CaseContext) -> None:
    """Raise StepBlocked if the clock of the host was wrong at its inspection; raises NotFoundOnHost."""
    for endpoint in context.case.endpoints:
        server = context.target(endpoint).server
        offset_s = server.clock_offset_s if server else None
        _require_small(timedelta(seconds=offset_s or 0.0), context.case.host)


def _require_small(offset: timedelta, owner: str) -> None:
    """Raise StepBlocked if another clock differs from ours by more than the tolerance."""
    if abs(offset) > CLOCK_TOLERANCE:
        relation = "ahead of" if offset > timedelta(0) else "behind"
        limit = f"limit {duration(CLOCK_TOLERANCE)}"
        why = f"the clock of {owner} is {duration(offset)} {relation} ours ({limit}): synchronize both clocks"
        raise StepBlocked(Cause.OPS_CLOCK_SKEW, why, ended="interrupted")
