"""Services of a panel that have no certificate of now, and for which none can be ordered: they are kept up meanwhile.

It knows for which reasons nothing is ordered, and which of them say nothing about what is installed.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from typing import Final

from remediate.execution.case_context import CaseContext
from remediate.execution.context import RunContext
from remediate.execution.placeholder import keep_up, preview_placeholders
from remediate.model.case import Case
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.model.plan import WaitingCase

_OF_A_NAME: Final = ("dcv", "dns", "host")
"""The families of findings for which no CA issues: it cannot validate a name."""


def stopgaps(waiting: Iterable[WaitingCase], run: RunContext) -> Iterator[CaseResult]:
    """Have placeholders installed for cases that wait because nothing can be ordered; yield those it was done for."""
    for one in waiting:
        try:
            ending = _stopgap(one, run)
        except Exception:  # noqa: BLE001 - the boundary of one case: the others are still kept up
            ending = CaseResult(one.case, "failed", cause=Cause.RUN_BUG, note=traceback.format_exc())
        if ending:
            yield ending


def _stopgap(one: WaitingCase, run: RunContext) -> CaseResult | None:
    cause, told = _cause(one), (blocker.text for blocker in one.blocked_by)
    lines = tuple(keep_up(CaseContext(one.case, run))) if cause and _may(one.case, run) else ()
    return CaseResult(one.case, "failed", cause=cause, note="\n".join((*told, *lines))) if lines else None


def preview_waiting(waiting: Iterable[WaitingCase], run: RunContext) -> Iterator[tuple[Case, str]]:
    """Yield the services for which that would be done, as they were found, each with the case that waits."""
    for one in waiting:
        if _cause(one) and _may(one.case, run):
            yield from ((one.case, service) for service in preview_placeholders(CaseContext(one.case, run)))


def _cause(waiting: WaitingCase) -> Cause | None:
    """Return the first cause if all of them mean that nothing can be ordered, else None.

    By a wrong clock, or by what was seen long ago, a certificate may look expired that is not.
    """
    causes = [blocker.cause for blocker in waiting.blocked_by]
    if all(cause.family in _OF_A_NAME or cause is Cause.ISSUER_NONE for cause in causes):
        return next(iter(causes), None)
    return None


def _may(case: Case, run: RunContext) -> bool:
    is_begun = any(one.id == case.id for one in run.journal.unfinished())
    host = run.host(case.host)
    return host.is_logged_in and host.excluded is None and not is_begun
