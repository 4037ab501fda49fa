"""Queues a job of atd that continues a run an hour from now, if the issuer is still working when a run ends.

An administrator lists, reads, runs and removes it by at(1), atq(1) and atrm(1). If the panel has a program of its own
for this, that program is tried first. A job holds the whole environment it was queued with, so it is queued with none;
and it runs a program by its full path, or `python -P`, which does not import from the current directory.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from audit.redaction import Secrets
from audit.text import one_line
from remediate.cpanel.try_later import PROGRAM, TryLaterResult, read_try_later, try_later_command
from remediate.hosts import script
from remediate.hosts.command import Command, CommandResult, CommandRunner
from remediate.pki.secret_scan import find_secret

QUEUE: Final = "c"  # runs at a higher nice value than the default `a`; `b` and `A` to `Z` would wait for a low load
DELAY_MIN: Final = 60  # the vendor's page: checks the Store again in an hour
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_ROW: Final = re.compile(r"(?P<number>[0-9]{1,9})\s+(?P<when>\S.*\S)\s+(?P<queue>[A-Za-z=])(?:\s+(?P<user>\S+))?\s*")
_QUEUED: Final = re.compile(r"^job (?P<number>[0-9]{1,9}) at (?P<when>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Job:
    """A job in atd's queue, as atq shows it; the time is that of the host."""

    number: int
    when: str
    queue: str = QUEUE
    user: str = ""


@dataclass(frozen=True, slots=True)
class ResumeJob:
    """The program that a job runs with its arguments, and the home directory it needs.

    `secret_variables` are the environment variables from which the configuration takes secrets; a job has none of
    them. `secrets` are those that must not be in a job.
    """

    host: str
    arguments: tuple[str, ...]
    home: str = "/root"
    secret_variables: tuple[str, ...] = ()
    secrets: Secrets = field(default_factory=Secrets)

    @property
    def marker(self) -> str:
        """The line that identifies a job as ours, and for the same program and arguments."""
        digest = hashlib.sha256(self.action.encode()).hexdigest()
        return f"# sslaudit continuation {digest[:16]}"

    @property
    def action(self) -> str:
        """The command that runs in an hour, quoted for a shell. It never queues another job."""
        return shlex.join(without_retry(self.arguments))

    @property
    def outdated(self) -> ResumeJob | None:
        """The job as earlier versions queued it, which called python without -P; None if it does not call python."""
        words = self.arguments
        index = next((number for number, pair in enumerate(pairwise(words)) if pair == ("-P", "-m")), None)
        return None if index is None else replace(self, arguments=(*words[:index], *words[index + 1 :]))

    @property
    def script(self) -> str:
        """The job."""
        comment = "# The issuer was still working: this job contacts it again. The next nightly run does so too."
        return f"{self.marker}\n{comment}\nexec {self.action}"


@dataclass(frozen=True, slots=True)
class Queued:
    """A job is queued; `is_new` is false if it was queued already, and `note` is added to the sentence."""

    job: Job
    is_new: bool = True
    note: str = ""

    def __str__(self) -> str:
        """Return the sentence, with the commands that show, run and remove the job."""
        number = self.job.number
        action = "contacts the issuer again" if self.is_new else "was queued already and contacts the issuer again"
        uses = f"at -c {number} shows it, at -c {number} | sh runs it now, atrm {number} removes it"
        return f"job {number} {action} at {self.job.when} ({uses}){self.note}"


@dataclass(frozen=True, slots=True)
class NotQueued:
    """Why no job is queued. The next nightly run resumes the same order anyway."""

    why: str

    def __str__(self) -> str:
        """Return the sentence."""
        return f"no continuation is queued: {self.why}; the next nightly run resumes the same order"


def without_retry(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments of a resume job: those of the run, but it never queues another job."""
    kept = (argument for argument in arguments if argument not in ("--allow-retry", "--no-retry"))
    return (*kept, "--no-retry")


def commands(resume_job: ResumeJob) -> tuple[Command, Command, Command]:
    """Return the commands that look for a queued job, and queue one by the panel's program and by at."""
    host, action = resume_job.host, resume_job.action
    marks = (resume_job.marker, action)
    look = Command(host, "look for a queued job", script("at/list_jobs"), marks, changes=False)
    arguments = (QUEUE, resume_job.script, str(DELAY_MIN), _PATH, resume_job.home)
    queue = Command(host, f"contact the issuer again in {DELAY_MIN} minutes", script("at/queue_job"), arguments)
    return look, try_later_command(host, action, _PATH, resume_job.home), queue


def queue_resume(session: CommandRunner, resume_job: ResumeJob, *, allowed: bool) -> Queued | NotQueued:
    """Queue one job unless it is queued already; queue none if that is not allowed or the job would hold a secret."""
    refused = _refusal(resume_job) if allowed else "--allow-retry was not given"
    if refused:
        return NotQueued(refused)
    look, panel, queue = commands(resume_job)
    look_result = session.run(look)
    if not look_result.ok:
        return NotQueued(_why_at_failed(look_result))
    if waiting := read_queue(look_result.output):
        return Queued(waiting[0], is_new=False)
    queued = _queue_anew(session, resume_job.host, panel, queue)
    return _replace_outdated(session, resume_job, queued) if isinstance(queued, Queued) else queued


def _queue_anew(session: CommandRunner, host: str, panel: Command, queue: Command) -> Queued | NotQueued:
    """Queue a job by the panel's program, or by at if that program does not queue it."""
    try_later = read_try_later(session.run(panel))
    if try_later and (jobs := read_queue(try_later.rows)):
        return _kept_if_atd_runs(session, host, jobs[-1], try_later.output)
    return _with_note(_read_queued(session, host, session.run(queue)), try_later)


def _replace_outdated(session: CommandRunner, resume_job: ResumeJob, queued: Queued) -> Queued:
    """Remove the jobs that an earlier version queued for the same order, because a new one is queued."""
    if resume_job.outdated is None:
        return queued
    look_result = session.run(commands(resume_job.outdated)[0])
    jobs = read_queue(look_result.output) if look_result.ok else ()
    for job in jobs:
        session.run(
            Command(
                resume_job.host, "remove the job of an earlier version", script("at/remove_job"), (str(job.number),)
            )
        )
    notes = (f"; it replaces job {job.number} of an earlier version" for job in jobs)
    return replace(queued, note=f"{queued.note}{''.join(notes)}")


def read_queue(text: str) -> tuple[Job, ...]:
    """Return the jobs that atq lists, by number, without those that are running (`=`); other lines are skipped."""
    rows = (match for line in text.splitlines() if (match := _ROW.fullmatch(line.strip())) and match["queue"] != "=")
    jobs = (Job(int(row["number"]), one_line(row["when"], 60), row["queue"], row["user"] or "") for row in rows)
    return tuple(sorted(jobs, key=lambda job: job.number))


def _read_queued(session: CommandRunner, host: str, done: CommandResult) -> Queued | NotQueued:
    """Return the job that at queued; the job is removed if atd does not run."""
    queued = _QUEUED.search(done.output)
    if not done.ok or queued is None:
        return NotQueued(_why_at_failed(done))
    return _kept_if_atd_runs(session, host, Job(int(queued["number"]), one_line(queued["when"], 60)), done.output)


def _kept_if_atd_runs(session: CommandRunner, host: str, job: Job, output: str) -> Queued | NotQueued:
    if "signal atd" in output:  # "Can't open /run/atd.pid to signal atd. No atd running?"
        session.run(
            Command(host, "remove the job, because atd does not run", script("at/remove_job"), (str(job.number),))
        )
        return NotQueued("atd does not run here, so no job would start: systemctl enable --now atd")
    return Queued(job)


def _with_note(queued: Queued | NotQueued, try_later: TryLaterResult | None) -> Queued | NotQueued:
    """Add a note to a job that at queued because the panel's program did not."""
    if try_later is None or isinstance(queued, NotQueued):
        return queued
    return replace(queued, note=f"; queued by at, because {PROGRAM} did not queue it: {try_later.output}")


def _refusal(resume_job: ResumeJob) -> str | None:
    if resume_job.secret_variables:
        names = ", ".join(resume_job.secret_variables)
        return f"{names} of the environment would be missing, because a job holds no secret: use {{ file = … }} instead"
    secret = find_secret(resume_job.script.encode(), resume_job.secrets)
    return f"there is {secret} among the arguments, and jobs are kept in files" if secret else None


def _why_at_failed(done: CommandResult) -> str:
    if done.status == 127:
        return "at is not installed here: apt-get install at, or dnf install at"
    words = one_line(f"{done.error} {done.output}", 200)
    if "permission" in words:
        return f"this user may not use at (/etc/at.allow, /etc/at.deny): {words}"
    return f"at did not queue the job: {words or 'it did not finish'}"
