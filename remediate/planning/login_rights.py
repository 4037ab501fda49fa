"""Finds what the login to a host may not do: a repair without a right would only fail, and then wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audit.text import join_limited
from remediate.model.audit_results import AuditResults, ObservedEndpoint
from remediate.model.case import SWITCHED, Case, Repair
from remediate.model.causes import Cause
from remediate.model.options import RunLimits
from remediate.model.plan import Blocker

_ROOT: Final = "root"
_TO_DO: Final = "log in as root, or use --sudo"


def login_blockers(case: Case, evidence: AuditResults, run_limits: RunLimits) -> Iterator[Blocker]:
    """Yield the right that the login to the host of a case lacks; nothing if its user is not known."""
    seen = next((evidence.seen[endpoint] for endpoint in case.endpoints), None)
    if seen is None:
        return
    if seen.collector:
        text = f"the login to {case.host} may run only the collector {seen.collector} as root: {_TO_DO}"
        yield Blocker(Cause.HOST_LOGIN, text)
    elif seen.login not in (None, _ROOT) and (lacking := tuple(_lacking(case, seen, run_limits))):
        text = f"the login {seen.login} to {case.host} may not {join_limited(lacking)}: {_TO_DO}"
        yield Blocker(Cause.HOST_LOGIN, text)


def _lacking(case: Case, seen: ObservedEndpoint, run_limits: RunLimits) -> Iterator[str]:
    """Yield what only root may do: change the files of another user, and reload what root started."""
    if case.repair in SWITCHED or case.repair is Repair.HOST:
        owners = {file.path: file.owner for file in case.files if file.owner not in (None, seen.login)}
        yield from (f"replace {path} of {owner}" for path, owner in owners.items())
    if case.repair is Repair.RUN_OWNER:
        yield f"run the renewal of {case.owner}"
    elif case.repair is not Repair.HOST:
        yield from (f"reload {service}" for service in case.services if service not in run_limits.declared_services)
