"""Looks up why a service does not serve what it was reloaded with: its log since the reload, and its processes.

It changes nothing. What it finds decides the cause, and so the advice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.text import join_limited
from remediate.access_logs.service_log import DaemonProcess, ServiceState, read_service_state
from remediate.execution.case_context import CaseContext
from remediate.installers import Daemon
from remediate.model.causes import Cause


@dataclass(frozen=True, slots=True)
class FailedReload:
    """Why a verification failed, as far as it is known: the cause, and lines for a person."""

    cause: Cause = Cause.PROOF_FAILED
    lines: tuple[str, ...] = ()


def look_up_failed_reload(context: CaseContext, endpoint: str, since: int | None) -> FailedReload:
    """Return why the service of an endpoint does not serve the files that it was reloaded with since a time.

    The time is that of the host, in seconds since 1970. It has to be called before the old files go back.
    """
    service = context.serves(endpoint)
    installer = context.installer(service) if service else None
    if not isinstance(installer, Daemon) or since is None:
        return FailedReload()
    state = read_service_state(context.execute(installer.state_since(context.case.host, since)), since)
    return explained(installer.name, state, since, has_workers=installer.has_workers)


def explained(name: str, state: ServiceState, since: int, *, has_workers: bool) -> FailedReload:
    """Return why a service does not serve the files that it was reloaded with at a time in seconds since 1970."""
    cause, line = _of_workers(name, state.workers, since) if has_workers and state.workers else (Cause.PROOF_FAILED, "")
    logged = tuple(f"{name} has logged since the reload: {error}" for error in state.errors)
    return FailedReload(Cause.PROOF_LOGGED if logged else cause, (*logged, *([line] if line else [])))


def _of_workers(name: str, workers: Sequence[DaemonProcess], since: int) -> tuple[Cause, str]:
    old = [worker.pid for worker in workers if not worker.is_newer_than(since)]
    if len(old) == len(workers):
        return Cause.PROOF_NOT_RELOADED, f"no worker of {name} is newer than the reload: the reload had no effect"
    if old:
        return Cause.PROOF_OLD_WORKERS, f"old workers of {name} run beside new ones: processes {join_limited(old)}"
    return (
        Cause.PROOF_OTHER_FILE,
        f"all workers of {name} are newer than the reload: it loads another file, or another process responds",
    )
