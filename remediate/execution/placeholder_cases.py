"""Installs placeholders for waiting cases of a panel whose services have no valid certificate and cannot get one."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from typing import Final

from remediate.execution.case_context import CaseContext
from remediate.execution.context import RunContext
from remediate.execution.placeholder import install_placeholders, preview_placeholders
from remediate.model.case import Case
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.model.plan import WaitingCase

_OF_A_NAME: Final = ("dcv", "dns", "host")
"""The families of causes with which a CA cannot validate a name, so no certificate is issued."""


def install_waiting_placeholders(waiting: Iterable[WaitingCase], run: RunContext) -> Iterator[CaseResult]:
    """Install placeholders for cases that wait because nothing can be ordered; yield the results of those cases."""
    for waiting_case in waiting:
        try:
            result = _install_for(waiting_case, run)
        except Exception:  # noqa: BLE001 - the boundary of one case: the other cases still get their placeholders
            result = CaseResult(waiting_case.case, "failed", cause=Cause.RUN_BUG, note=traceback.format_exc())
        if result:
            yield result


def _install_for(waiting_case: WaitingCase, run: RunContext) -> CaseResult | None:
    case, cause = waiting_case.case, _cause(waiting_case)
    reasons = (blocker.text for blocker in waiting_case.blocked_by)
    lines = tuple(install_placeholders(CaseContext(case, run))) if cause and _is_allowed(case, run) else ()
    return CaseResult(case, "failed", cause=cause, note="\n".join((*reasons, *lines))) if lines else None


def preview_waiting(waiting: Iterable[WaitingCase], run: RunContext) -> Iterator[tuple[Case, str]]:
    """Yield each waiting case with a service that would get a placeholder, as discovery found the service."""
    for waiting_case in waiting:
        case = waiting_case.case
        if _cause(waiting_case) and _is_allowed(case, run):
            yield from ((case, service) for service in preview_placeholders(CaseContext(case, run)))


def _cause(waiting_case: WaitingCase) -> Cause | None:
    """Return the first cause if all causes mean that nothing can be ordered, else None.

    With a wrong clock, or in an old audit, a valid certificate may look expired.
    """
    causes = [blocker.cause for blocker in waiting_case.blocked_by]
    if all(cause.family in _OF_A_NAME or cause is Cause.ISSUER_NONE for cause in causes):
        return next(iter(causes), None)
    return None


def _is_allowed(case: Case, run: RunContext) -> bool:
    is_begun = any(unfinished.id == case.id for unfinished in run.journal.unfinished())
    host = run.host(case.host)
    return host.is_logged_in and host.excluded is None and not is_begun
