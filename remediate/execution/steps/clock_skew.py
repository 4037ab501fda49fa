"""Clocks that contradict each other: by a wrong one anything may look expired, or well.

It reads no clock of its own.
"""

from __future__ import annotations

from datetime import datetime

from audit.text import duration
from remediate.execution.case_context import CLOCK_TOLERANCE, CaseContext
from remediate.execution.steps.base import StepBlocked
from remediate.model.causes import Cause


def require_same_time(context: CaseContext, whose: str, theirs: datetime | None) -> None:
    """Raise Stuck where another's clock contradicts ours: nobody knows then what has expired."""
    ours = context.run.clock()
    if theirs is not None and abs(theirs - ours) > CLOCK_TOLERANCE:
        relation = "ahead of" if theirs > ours else "behind"
        why = f"the clock of {whose} is {duration(theirs - ours)} {relation} ours"
        raise StepBlocked(Cause.OPS_CLOCK_SKEW, why, ended="interrupted")
