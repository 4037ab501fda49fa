"""Tests of the queued continuation: at most one job, without secrets, and a message if none can be queued."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest

from audit.redaction import Secrets
from remediate.cpanel.try_later import ABSENT, ARGUMENTS, PROGRAM
from remediate.hosts.command import Command, CommandResult
from remediate.retry.at_queue import (
    Job,
    NotQueued,
    Queued,
    ResumeJob,
    commands,
    queue_resume,
    read_queue,
    without_retry,
)

AGAIN = ResumeJob("ctl", ("/opt/a b/python", "-m", "remediate", "resume", "--allow-retry"))
NO_PANEL = CommandResult(ABSENT, "")
QUEUED = CommandResult(0, "warning: commands will be executed using /bin/sh\njob 7 at Mon Nov 23 15:00:00 2026\n")


@dataclass
class Scripted:
    """A session that returns the given results, and keeps the commands."""

    answers: list[CommandResult]
    ran: list[Command] = field(default_factory=list)

    def run(self, command: Command) -> CommandResult:
        self.ran.append(command)
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7\tMon Nov 23 15:00:00 2026 c root\n", (Job(7, "Mon Nov 23 15:00:00 2026", "c", "root"),)),
        (
            "12\tTue Dec  1 02:00:00 2026 c root\n7\tMon Nov 23 15:00:00 2026 a www-data",
            (Job(7, "Mon Nov 23 15:00:00 2026", "a", "www-data"), Job(12, "Tue Dec  1 02:00:00 2026", "c", "root")),
        ),
        ("7\tMon Nov 23 15:00:00 2026 = root\n", ()),
        ("7\t2026-11-23 15:00 c\n", (Job(7, "2026-11-23 15:00", "c"),)),
        ("", ()),
        ("atq: cannot open spool\n\n99999999999\tx c root\n-1\tx c root\n", ()),
    ],
)
def test_queue_is_read_in_order_without_running_jobs(text: str, expected: tuple[Job, ...]) -> None:
    assert read_queue(text) == tuple(Job(j.number, " ".join(j.when.split()), j.queue, j.user) for j in expected)


def test_job_is_queued_if_there_is_none() -> None:
    session = Scripted([CommandResult(0, ""), NO_PANEL, QUEUED])
    queued = queue_resume(session, AGAIN, allowed=True)
    assert queued == Queued(Job(7, "Mon Nov 23 15:00:00 2026"))
    assert "at -c 7 shows it, at -c 7 | sh runs it now, atrm 7 removes it" in str(queued)
    assert [command.changes for command in session.ran] == [False, True, True]
    assert {command.host for command in session.ran} == {AGAIN.host}
    assert session.ran[-1].arguments[2] == "60"  # minutes
    assert tuple(session.ran) == commands(AGAIN), "the dry run prints what is run"


def test_no_second_job_is_queued() -> None:
    session = Scripted([CommandResult(0, "7\tMon Nov 23 15:00:00 2026 c root\n")])
    queued = queue_resume(session, AGAIN, allowed=True)
    assert queued == Queued(Job(7, "Mon Nov 23 15:00:00 2026", "c", "root"), is_new=False)
    assert "was queued already" in str(queued)


PYTHON = ResumeJob("ctl", ("/opt/x/bin/python", "-P", "-m", "remediate", "resume", "--state", "/var/lib/state"))
OLD_JOB = """\
# sslaudit continuation 06d294850f2f8d5e
# The issuer was still working: this job contacts it again. The next nightly run does so too.
exec /opt/x/bin/python -m remediate resume --state /var/lib/state --no-retry"""


def test_job_runs_python_without_the_current_directory() -> None:
    assert "exec /opt/x/bin/python -P -m remediate resume" in PYTHON.script


def test_job_of_an_earlier_version_is_replaced() -> None:
    assert PYTHON.outdated is not None
    assert PYTHON.outdated.script == OLD_JOB
    session = Scripted(
        [
            CommandResult(0, ""),
            NO_PANEL,
            QUEUED,
            CommandResult(0, "5\tMon Nov 23 14:30:00 2026 c root\n"),
            CommandResult(0, ""),
        ]
    )
    queued = queue_resume(session, PYTHON, allowed=True)
    assert str(queued).endswith("; it replaces job 5 of an earlier version")
    assert session.ran[3].arguments == (PYTHON.outdated.marker, PYTHON.outdated.action)
    assert (session.ran[4].script, session.ran[4].arguments) == ('atrm "$1"\n', ("5",))


def test_job_of_an_earlier_version_stays_if_no_new_one_can_be_queued() -> None:
    session = Scripted([CommandResult(0, ""), NO_PANEL, CommandResult(1, "no space left")])
    assert isinstance(queue_resume(session, PYTHON, allowed=True), NotQueued)
    assert session.answers == []
    assert ResumeJob("ctl", ("/opt/x/bin/checkallsslcerts",)).outdated is None


def test_no_job_is_queued_without_allow_retry() -> None:
    session = Scripted([])
    not_queued = queue_resume(session, AGAIN, allowed=False)
    assert isinstance(not_queued, NotQueued)
    assert "the next nightly run resumes the same order" in str(not_queued)


def test_resume_job_queues_no_other_job() -> None:
    assert without_retry(AGAIN.arguments)[-1] == "--no-retry"
    assert "--allow-retry" not in AGAIN.script
    assert "exec '/opt/a b/python' -m remediate resume --no-retry" in AGAIN.script
    assert AGAIN.marker == ResumeJob("ctl", without_retry(AGAIN.arguments)).marker
    assert AGAIN.marker != ResumeJob("ctl", ("x", "resume")).marker


def test_job_with_a_secret_is_not_queued() -> None:
    token = Secrets(("tok-1234567",))
    for resume_job, expected in (
        (ResumeJob("ctl", ("x",), secret_variables=("STORE_TOKEN",)), "STORE_TOKEN of the environment"),
        (ResumeJob("ctl", ("x", "--hosts=ssh://root:hunter2@web1")), "a password in a URL"),
        (ResumeJob("ctl", ("x", "--token=tok-1234567"), secrets=token), "a secret of the configuration"),
    ):
        refused = queue_resume(Scripted([]), resume_job, allowed=True)
        assert isinstance(refused, NotQueued)
        assert expected in refused.why
        assert "hunter2" not in refused.why


def test_job_that_no_atd_would_start_is_removed() -> None:
    text = "job 7 at Mon Nov 23 15:00:00 2026\nCan't open /run/atd.pid to signal atd. No atd running?\n"
    session = Scripted([CommandResult(0, ""), NO_PANEL, CommandResult(0, text), CommandResult(0, "")])
    not_queued = queue_resume(session, AGAIN, allowed=True)
    assert isinstance(not_queued, NotQueued)
    assert "atd does not run here" in not_queued.why
    assert (session.ran[-1].script, session.ran[-1].arguments) == ('atrm "$1"\n', ("7",))


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (CommandResult(127, "", "at is not installed"), "at is not installed here"),
        (CommandResult(1, "You do not have permission to use at."), "this user may not use at"),
        (
            CommandResult(1, "Cannot open \x1b[2J spool"),
            "at did not queue the job: Cannot open \N{REPLACEMENT CHARACTER}[2J spool",
        ),
        (CommandResult(None, ""), "at did not queue the job: it did not finish"),
    ],
)
def test_reason_why_at_failed_is_reported(done: CommandResult, why: str) -> None:
    for answers in ([done], [CommandResult(0, ""), NO_PANEL, done]):
        not_queued = queue_resume(Scripted(answers), AGAIN, allowed=True)
        assert isinstance(not_queued, NotQueued)
        assert why in not_queued.why


def test_time_of_a_job_is_shown_with_60_characters() -> None:
    long = "Mon " * 30
    session = Scripted([CommandResult(0, ""), NO_PANEL, CommandResult(0, f"job 7 at {long}")])
    queued = queue_resume(session, AGAIN, allowed=True)
    assert isinstance(queued, Queued)
    (listed,) = read_queue(f"7\t{long}c root")
    assert len(queued.job.when) == len(listed.when) == 60


@pytest.mark.parametrize(
    "done",
    [CommandResult(0, "nothing is queued"), CommandResult(1, "no space left\njob 7 at Mon Nov 23 15:00:00 2026")],
)
def test_job_is_queued_only_if_at_succeeds_and_names_it(done: CommandResult) -> None:
    not_queued = queue_resume(Scripted([CommandResult(0, ""), NO_PANEL, done]), AGAIN, allowed=True)
    assert isinstance(not_queued, NotQueued)
    assert not_queued.why.startswith("at did not queue the job: no")


def test_commands_hold_no_environment_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "STORE_TOKEN", "tok-1234567")
    assert "tok-1234567" not in "".join(map(str, commands(AGAIN)))
    assert all("env -i" in command.script for command in commands(AGAIN)[1:])


ROW = "new 9\tMon Nov 23 15:00:00 2026 a root\n"


def test_panel_program_is_tried_first_with_its_documented_arguments() -> None:
    session = Scripted([CommandResult(0, ""), CommandResult(0, f"ended 0\n{ROW}")])
    assert queue_resume(session, AGAIN, allowed=True) == Queued(Job(9, "Mon Nov 23 15:00:00 2026", "a", "root"))
    arguments = session.ran[1].arguments
    assert (arguments[0], arguments[1], arguments[4:]) == (PROGRAM, AGAIN.action, ARGUMENTS)
    assert ARGUMENTS == ("--check", "/bin/sh -c exit 1", "--delay", "60", "--max-retries", "1", "--skip-first")


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (CommandResult(0, "unknown option\nended 2\n"), "it ended with 2: unknown option"),
        (CommandResult(0, "fine\nended 0\n"), "it ended with 0 and queued nothing: fine"),
        (CommandResult(None, "", "cut off"), "it did not finish: cut off"),
    ],
)
def test_at_queues_the_job_if_the_panel_program_fails(done: CommandResult, why: str) -> None:
    queued = queue_resume(Scripted([CommandResult(0, ""), done, QUEUED]), AGAIN, allowed=True)
    assert isinstance(queued, Queued)
    assert str(queued).endswith(f"; queued by at, because {PROGRAM} did not queue it: {why}")


def test_job_of_the_panel_program_is_removed_if_no_atd_runs() -> None:
    text = f"Can't open /run/atd.pid to signal atd. No atd running?\nended 0\n{ROW}"
    session = Scripted([CommandResult(0, ""), CommandResult(0, text), CommandResult(0, "")])
    not_queued = queue_resume(session, AGAIN, allowed=True)
    assert isinstance(not_queued, NotQueued)
    assert session.ran[-1].arguments == ("9",)
