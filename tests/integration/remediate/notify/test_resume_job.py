"""A job that resumes a run is queued if an order is pending, the user allows it, and the issuer permits it by then."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from audit.config.schema import Configuration
from audit.observation import ProbeFailure
from remediate.cpanel.try_later import ABSENT, PROGRAM
from remediate.hosts.command import Command, CommandResult
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.retry.resume_job import local_session, queue_if_pending, resume_job_of
from tests.support.remediate.journals import a_case
from tests.support.remediate.result_rows import NOW

AGAIN = resume_job_of(Path("/var/lib/state"), Configuration(file=Path("/etc/sslaudit.toml")), ("--issuer", "store"))
PENDING = CaseResult(a_case(), "pending", "collect", Cause.ISSUER_PENDING, "still working", next_at=NOW)
FAILED = CaseResult(a_case(), "failed", "self-test", Cause.DCV_BLOCKED, "closed")


@dataclass
class Atd:
    """A machine with atd, whose queue is empty and accepts a job."""

    ran: list[Command] = field(default_factory=list)

    def run(self, command: Command) -> CommandResult:
        self.ran.append(command)
        if command.arguments[0] == PROGRAM:
            return CommandResult(ABSENT, "")
        return CommandResult(0, "job 7 at Mon Nov 23 15:00:00 2026\n" if command.changes else "")


def continued(*results: CaseResult, allowed: bool = True) -> tuple[tuple[str, ...], list[Command]]:
    """Return the lines, and the commands that ran."""
    atd = Atd()
    return queue_if_pending(results, AGAIN, allowed=allowed, now=NOW, local=lambda: atd), atd.ran


@pytest.mark.parametrize(
    "result",
    [PENDING, CaseResult(a_case(), "waiting", "", Cause.ISSUER_BUSY, "later", next_at=NOW + timedelta(minutes=50))],
)
def test_pending_order_queues_a_job_in_an_hour(result: CaseResult) -> None:
    lines, ran = continued(FAILED, result)
    uses = "at -c 7 shows it, at -c 7 | sh runs it now, atrm 7 removes it"
    assert lines == (f"job 7 contacts the issuer again at Mon Nov 23 15:00:00 2026 ({uses})",)
    words = "-m remediate resume --state /var/lib/state --config /etc/sslaudit.toml --issuer store --no-retry"
    assert words in ran[-1].arguments[1]


def test_job_runs_the_program_that_began_the_run() -> None:
    again = ("/opt/bin/checkallsslcerts", "--no-retry", "--config", "/etc/sslaudit.toml")
    resume_job = resume_job_of(Path("/state"), Configuration(), ("--hosts", "local://"), again=again)
    assert resume_job.action == "/opt/bin/checkallsslcerts --config /etc/sslaudit.toml --no-retry"


def test_failed_and_repaired_cases_queue_no_job() -> None:
    assert continued(FAILED, CaseResult(a_case(), "proven")) == ((), [])


def test_without_allow_retry_no_command_runs_and_the_line_says_why() -> None:
    lines, ran = continued(PENDING, allowed=False)
    why = "--allow-retry was not given; the next nightly run resumes the same order"
    assert (lines, ran) == ((f"no continuation is queued: {why}",), [])


def test_retry_after_of_more_than_an_hour_queues_no_job() -> None:
    late = CaseResult(a_case(), "pending", "collect", Cause.ISSUER_PENDING, "later", next_at=NOW + timedelta(hours=8))
    lines, ran = continued(late)
    assert "the issuer requests a retry after 2026-11-23 11:00 UTC" in lines[0]
    assert ran == []
    assert continued(late, PENDING)[1], "another order is looked at sooner"


def test_machine_that_runs_no_command_is_reported() -> None:
    failure = ProbeFailure("login", "refused", "no shell")
    lines = queue_if_pending([PENDING], AGAIN, allowed=True, now=NOW, local=lambda: failure)
    assert "no command can be run here: no shell" in lines[0]


def test_secret_in_the_environment_prevents_a_job() -> None:
    store = {"kind": "store", "token": {"env": "STORE_TOKEN"}}
    handed_on = {"issuer": {"store": store}, "mail": {"password": {"env": "SMTP_PASSWORD"}}}
    resume_job = resume_job_of(Path("state"), Configuration(handed_on=handed_on))
    assert resume_job.secret_variables == ("SMTP_PASSWORD", "STORE_TOKEN")
    assert str(Path("state").absolute()) in resume_job.arguments, "a job begins in another folder"
    atd = Atd()
    lines = queue_if_pending([PENDING], resume_job, allowed=True, now=NOW, local=lambda: atd)
    assert "SMTP_PASSWORD, STORE_TOKEN of the environment would be missing" in lines[0]
    assert atd.ran == []


def test_local_session_runs_commands_on_this_machine() -> None:
    session = local_session()
    assert not isinstance(session, ProbeFailure)
    assert session.run(Command("local", "say so", 'echo "$1"', ("here",), changes=False)).output.strip() == "here"
