"""Compares the clocks of the host and of the issuer with ours: with a wrong clock any certificate may look expired.

No clock is read here but that of the run.
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


def require_same_time(context: CaseContext, whose: str, theirs: datetime | None) -> None:
    """Raise StepBlocked if the clock of another party contradicts ours; nothing is compared if its time is unknown."""
    if theirs is not None:
        _require_small(theirs - context.now(), whose)


def require_host_clock(context: CaseContext) -> None:
    """Raise StepBlocked if the clock of the host contradicted ours when it was inspected; raises NotFoundOnHost."""
    for endpoint in context.case.endpoints:
        server = context.target(endpoint).server
        offset_s = server.clock_offset_s if server else None
        _require_small(timedelta(seconds=offset_s or 0.0), context.case.host)


def _require_small(offset: timedelta, whose: str) -> None:
    """Raise StepBlocked if another clock differs from ours by more than the tolerance."""
    if abs(offset) > CLOCK_TOLERANCE:
        relation = "ahead of" if offset > timedelta(0) else "behind"
        limit = f"limit {duration(CLOCK_TOLERANCE)}"
        why = f"the clock of {whose} is {duration(offset)} {relation} ours ({limit}): synchronize both clocks"
        raise StepBlocked(Cause.OPS_CLOCK_SKEW, why, ended="interrupted")
