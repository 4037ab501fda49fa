"""Decides whether a run is continued in an hour because the issuer is still working, and by which program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from audit.config import known_secrets
from audit.config.schema import Configuration, secrets_in
from audit.host.login import Bounds, hosts_of
from audit.observation import ProbeFailure
from audit.text import format_utc
from remediate.hosts.command import CommandRunner
from remediate.hosts.session import HostSession
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.retry.at_queue import DELAY_MIN, NotQueued, ResumeJob, queue_resume

_LOGIN_S: Final = 30.0


def resume_job_of(
    state: Path, configuration: Configuration, options: Iterable[str] = (), *, again: tuple[str, ...] = ()
) -> ResumeJob:
    """Return the job that continues a run: the command `again`, which began the run, if it is given.

    Else it is `python -P -m remediate resume` with the state, the configuration and further options.
    """
    config_options = ("--config", str(configuration.file)) if configuration.file else ()
    resume = (
        sys.executable,
        "-P",
        "-m",
        "remediate",
        "resume",
        "--state",
        str(state.absolute()),
        *config_options,
        *options,
    )
    variables = tuple(sorted(set(_variables(configuration))))
    return ResumeJob("local", again or resume, str(Path.home()), variables, known_secrets(configuration))


def queue_if_pending(
    case_results: Sequence[CaseResult],
    resume_job: ResumeJob,
    *,
    allowed: bool,
    now: datetime,
    local: Callable[[], CommandRunner | ProbeFailure] | None = None,
) -> tuple[str, ...]:
    """Queue one job if the issuer is still working on an order; return lines for a person, none if it has finished.

    `local` opens a session on this machine, only if a job is to be queued.
    """
    waiting = [result for result in case_results if result.ended_as == "pending" or result.cause is Cause.ISSUER_BUSY]
    if not waiting:
        return ()
    due = [result.next_at or now for result in waiting]
    if min(due) > now + timedelta(minutes=DELAY_MIN):
        return (str(NotQueued(f"the issuer requests a retry after {format_utc(min(due))}")),)
    if not allowed:
        return (str(NotQueued("--allow-retry was not given")),)
    session = (local or local_session)()
    if isinstance(session, ProbeFailure):
        return (str(NotQueued(f"no command can be run here: {session.detail}")),)
    return (str(queue_resume(session, resume_job, allowed=allowed)),)


def local_session() -> HostSession | ProbeFailure:
    """Return a session on this machine."""
    hosts = hosts_of("local://", {}, Bounds(_LOGIN_S))
    return hosts if isinstance(hosts, ProbeFailure) else HostSession(hosts[0])


def _variables(configuration: Configuration) -> Iterator[str]:
    """Yield the environment variables that secrets of the configuration are taken from."""
    yield from (secret.env for _, secret in secrets_in(configuration.handed_on) if secret.env)
