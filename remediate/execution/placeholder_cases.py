"""Installs placeholders for waiting cases of a panel, whose services have no valid certificate and can get none."""

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
"""The families of findings with which a CA cannot validate a name, so that it issues nothing."""


def install_waiting_placeholders(waiting: Iterable[WaitingCase], run: RunContext) -> Iterator[CaseResult]:
    """Install placeholders for cases that wait because nothing can be ordered; yield the results of those cases."""
    for one in waiting:
        try:
            result = _install_for(one, run)
        except Exception:  # noqa: BLE001 - the boundary of one case: the other cases still get theirs
            result = CaseResult(one.case, "failed", cause=Cause.RUN_BUG, note=traceback.format_exc())
        if result:
            yield result


def _install_for(one: WaitingCase, run: RunContext) -> CaseResult | None:
    cause, told = _cause(one), (blocker.text for blocker in one.blocked_by)
    lines = tuple(install_placeholders(CaseContext(one.case, run))) if cause and _is_allowed(one.case, run) else ()
    return CaseResult(one.case, "failed", cause=cause, note="\n".join((*told, *lines))) if lines else None


def preview_waiting(waiting: Iterable[WaitingCase], run: RunContext) -> Iterator[tuple[Case, str]]:
    """Yield the services for which that would be done, as they were found, each with the case that waits."""
    for one in waiting:
        if _cause(one) and _is_allowed(one.case, run):
            yield from ((one.case, service) for service in preview_placeholders(CaseContext(one.case, run)))


def _cause(waiting: WaitingCase) -> Cause | None:
    """Return the first cause if all of them mean that nothing can be ordered, else None.

    With a wrong clock, or in an old audit, a valid certificate may look expired.
    """
    causes = [blocker.cause for blocker in waiting.blocked_by]
    if all(cause.family in _OF_A_NAME or cause is Cause.ISSUER_NONE for cause in causes):
        return next(iter(causes), None)
    return None


def _is_allowed(case: Case, run: RunContext) -> bool:
    is_begun = any(one.id == case.id for one in run.journal.unfinished())
    host = run.host(case.host)
    return host.is_logged_in and host.excluded is None and not is_begun
