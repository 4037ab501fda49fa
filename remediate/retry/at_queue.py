"""Queues one continuation an hour from now as a job of atd, if the issuer is still working when a run ends.

An administrator lists, reads, runs and removes it by at(1), atq(1) and atrm(1). The panel's own program is asked first
if there is one. A job holds the whole environment it was queued with, so it is queued with none; and it runs a program
by its full path, or `python -P`, which does not import from the current directory.
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
from remediate.cpanel.try_later import PROGRAM, Tried, read_tried, trying_later
from remediate.hosts import script
from remediate.hosts.command import Command, CommandResult, CommandRunner
from remediate.pki.secret_scan import find_secret

QUEUE: Final = "c"  # nicer than at's own `a`; an upper-case letter, and `b`, would wait for a quiet machine
DELAY_MIN: Final = 60  # the seed: checks the Store again in an hour
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_ROW: Final = re.compile(r"(?P<number>[0-9]{1,9})\s+(?P<when>\S.*\S)\s+(?P<queue>[A-Za-z=])(?:\s+(?P<user>\S+))?\s*")
_SAID: Final = re.compile(r"^job (?P<number>[0-9]{1,9}) at (?P<when>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Job:
    """A job that waits in atd's queue, as atq shows it; the time is the host's own."""

    number: int
    when: str
    queue: str = QUEUE
    user: str = ""


@dataclass(frozen=True, slots=True)
class ResumeJob:
    """What is continued: a program and its arguments, and the folders it needs to find what it had begun.

    `secret_variables` are the names of environment variables that the configuration takes secrets from: a job has none.
    `secrets` are those that no job may hold.
    """

    host: str
    arguments: tuple[str, ...]
    home: str = "/root"
    secret_variables: tuple[str, ...] = ()
    secrets: Secrets = field(default_factory=Secrets)

    @property
    def marker(self) -> str:
        """The line by which a job is known for ours, and for a continuation of the same."""
        digest = hashlib.sha256(self.action.encode()).hexdigest()
        return f"# sslaudit continuation {digest[:16]}"

    @property
    def action(self) -> str:
        """What is run in an hour, as a shell reads it: it queues nothing itself."""
        return shlex.join(without_retry(self.arguments))

    @property
    def outdated(self) -> ResumeJob | None:
        """The same as earlier versions queued it, which called python without -P; None if it does not call python."""
        words = self.arguments
        at = next((number for number, pair in enumerate(pairwise(words)) if pair == ("-P", "-m")), None)
        return None if at is None else replace(self, arguments=(*words[:at], *words[at + 1 :]))

    @property
    def script(self) -> str:
        """The job."""
        said = "# The issuer was still working: this asks once more. The next nightly run does so too."
        return f"{self.marker}\n{said}\nexec {self.action}"


@dataclass(frozen=True, slots=True)
class Queued:
    """A continuation waits; `is_new` is false where it already did, `note` what is to be said beside it."""

    job: Job
    is_new: bool = True
    note: str = ""

    def __str__(self) -> str:
        """Say it, and what can be done with it."""
        number = self.job.number
        began = "asks the issuer again" if self.is_new else "was queued already and asks the issuer again"
        uses = f"at -c {number} shows it, at -c {number} | sh runs it now, atrm {number} removes it"
        return f"job {number} {began} at {self.job.when} ({uses}){self.note}"


@dataclass(frozen=True, slots=True)
class NotQueued:
    """Why none waits, in a sentence; the next nightly run resumes the same order either way."""

    why: str

    def __str__(self) -> str:
        """Say it."""
        return f"no continuation is queued: {self.why}; the next nightly run resumes the same order"


def without_retry(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments of a continuation: the same, but it never queues another."""
    kept = (each for each in arguments if each not in ("--allow-retry", "--no-retry"))
    return (*kept, "--no-retry")


def commands(continuation: ResumeJob) -> tuple[Command, Command, Command]:
    """Return what looks for a continuation that waits, and what queues one: the panel's way, and at's own."""
    host, action = continuation.host, continuation.action
    known = (continuation.marker, action)
    look = Command(host, "look for a continuation that is queued already", script("at_look"), known, changes=False)
    arguments = (QUEUE, continuation.script, str(DELAY_MIN), _PATH, continuation.home)
    queue = Command(host, f"ask the issuer again in {DELAY_MIN} minutes", script("at_queue"), arguments)
    return look, trying_later(host, action, _PATH, continuation.home), queue


def queue_resume(session: CommandRunner, continuation: ResumeJob, *, allowed: bool) -> Queued | NotQueued:
    """Queue one continuation unless it is queued; never where that is not allowed or a secret would be in it."""
    refused = _why_not(continuation) if allowed else "--allow-retry was not given"
    if refused:
        return NotQueued(refused)
    look, panel, queue = commands(continuation)
    found = session.run(look)
    if not found.ok:
        return NotQueued(_why_at_failed(found))
    if waiting := read_queue(found.output):
        return Queued(waiting[0], is_new=False)
    queued = _queue_anew(session, continuation.host, panel, queue)
    return _replacing(session, continuation, queued) if isinstance(queued, Queued) else queued


def _queue_anew(session: CommandRunner, host: str, panel: Command, queue: Command) -> Queued | NotQueued:
    """Queue a job by the panel's program, or by at if that does not take it."""
    tried = read_tried(session.run(panel))
    if tried and (jobs := read_queue(tried.rows)):
        return _kept(session, host, jobs[-1], tried.said)
    return _beside(_judge(session, host, session.run(queue)), tried)


def _replacing(session: CommandRunner, continuation: ResumeJob, queued: Queued) -> Queued:
    """Remove the jobs that an earlier version queued for the same, now that a new one waits."""
    if continuation.outdated is None:
        return queued
    found = session.run(commands(continuation.outdated)[0])
    jobs = read_queue(found.output) if found.ok else ()
    for job in jobs:
        session.run(
            Command(continuation.host, "remove the job of an earlier version", script("at_remove"), (str(job.number),))
        )
    notes = (f"; it replaces job {job.number} of an earlier version" for job in jobs)
    return replace(queued, note=f"{queued.note}{''.join(notes)}")


def read_queue(text: str) -> tuple[Job, ...]:
    """Return the jobs that atq lists, by number, but for those that run already (`=`); what is no job is skipped."""
    rows = (match for line in text.splitlines() if (match := _ROW.fullmatch(line.strip())) and match["queue"] != "=")
    jobs = (Job(int(row["number"]), one_line(row["when"], 60), row["queue"], row["user"] or "") for row in rows)
    return tuple(sorted(jobs, key=lambda job: job.number))


def _judge(session: CommandRunner, host: str, done: CommandResult) -> Queued | NotQueued:
    """Return what at said; a job that no atd will ever start is taken back."""
    said = _SAID.search(done.output)
    if not done.ok or said is None:
        return NotQueued(_why_at_failed(done))
    return _kept(session, host, Job(int(said["number"]), one_line(said["when"], 60)), done.output)


def _kept(session: CommandRunner, host: str, job: Job, said: str) -> Queued | NotQueued:
    if "signal atd" in said:  # "Can't open /run/atd.pid to signal atd. No atd running?"
        session.run(Command(host, "take back a job that nobody would start", script("at_remove"), (str(job.number),)))
        return NotQueued("atd does not run here, so that nothing would start it: systemctl enable --now atd")
    return Queued(job)


def _beside(queued: Queued | NotQueued, tried: Tried | None) -> Queued | NotQueued:
    """Say beside what at did that the panel's program would not."""
    if tried is None or isinstance(queued, NotQueued):
        return queued
    return replace(queued, note=f"; by at, as {PROGRAM} did not take it: {tried.said}")


def _why_not(continuation: ResumeJob) -> str | None:
    if continuation.secret_variables:
        names = ", ".join(continuation.secret_variables)
        return f"{names} of the environment would not be there, as a job holds no secret: use {{ file = … }} instead"
    found = find_secret(continuation.script.encode(), continuation.secrets)
    return f"there is {found} among the arguments, and jobs are kept in files" if found else None


def _why_at_failed(done: CommandResult) -> str:
    if done.status == 127:
        return "at is not installed here: apt-get install at, or dnf install at"
    words = one_line(f"{done.error} {done.output}", 200)
    if "permission" in words:
        return f"this user may not use at (/etc/at.allow, /etc/at.deny): {words}"
    return f"at did not take it: {words or 'it did not finish'}"
