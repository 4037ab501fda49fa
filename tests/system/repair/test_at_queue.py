"""A resume job in the queue of a real atd: listed, shown, run by hand, removed, run at its time, and not twice."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from remediate.cpanel.try_later import PROGRAM
from remediate.retry.at_queue import NotQueued, Queued, ResumeJob, queue_resume, read_queue
from tests.support.checkout import CHECKOUT
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.lab_session import LabSession
from tests.support.hosts.openssl_client import wait_until

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

AGAIN = ResumeJob("ctl", ("/usr/local/bin/again", "it's here", "--allow-retry"))
_AGAIN = """#!/bin/sh
printf '%s\\n' "$@" >> /root/continued
env | sort > /root/environment
"""

_PANEL = f"""#!/bin/sh
cd {CHECKOUT} && exec {sys.executable} -m tests.support.hosts.try_later "$@"
"""
_REFUSING = "#!/bin/sh\necho 'it is out of order' >&2\nexit 3\n"


@pytest.fixture
def host(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - asked for to skip before anything starts
    with running_host("controller", "ctl.example.test") as running:
        running.write(HostFile("/usr/local/bin/again", _AGAIN, 0o755))
        yield running


@pytest.fixture
def queueing(host: Host) -> Host:
    """Start atd; its load limit is lifted, as this machine may be busy."""
    host.shell("/usr/sbin/atd -l 1000")
    assert wait_until(lambda: host.run("test", "-s", "/run/atd.pid").returncode == 0)
    return host


def test_administrator_lists_shows_runs_and_removes_the_only_queued_job(queueing: Host) -> None:
    session = LabSession(queueing)
    first, second = (queue_resume(session, AGAIN, allowed=True) for _ in range(2))
    assert isinstance(first, Queued)
    assert isinstance(second, Queued)
    assert (first.is_new, second.is_new, second.job.number) == (True, False, first.job.number)
    (listed,) = read_queue(queueing.do("atq"))
    assert (listed.number, listed.queue, listed.user) == (first.job.number, "c", "root")
    assert listed.when == first.job.when
    number = str(listed.number)
    assert AGAIN.script in queueing.do("at", "-c", number)
    queueing.shell(f"at -c {number} | sh")
    assert queueing.read("/root/continued") == "it's here\n--no-retry\n"
    queueing.do("atrm", number)
    assert queueing.do("atq") == ""
    assert isinstance(again := queue_resume(session, AGAIN, allowed=True), Queued)
    assert again.is_new


def test_job_that_an_earlier_version_queued_is_listed_and_replaced(queueing: Host) -> None:
    new = ResumeJob("ctl", ("/usr/bin/python3", "-P", "-m", "remediate", "resume", "--state", "/var/lib/state"))
    assert new.outdated is not None
    queueing.write(HostFile("/root/old-job", new.outdated.script))
    queueing.shell("cd / && at -q c now + 60 minutes < /root/old-job 2>&1")
    (old,) = read_queue(queueing.do("atq"))
    session = LabSession(queueing)
    result = queue_resume(session, new, allowed=True)
    assert isinstance(result, Queued)
    assert f"replaces job {old.number} of an earlier version" in str(result)
    (left,) = read_queue(queueing.do("atq"))
    assert left.number == result.job.number != old.number
    assert "exec /usr/bin/python3 -P -m remediate resume" in queueing.do("at", "-c", str(left.number))
    again = queue_resume(session, new, allowed=True)
    assert isinstance(again, Queued)
    assert (again.is_new, again.job.number) == (False, left.number)


def test_jobs_of_other_runs_and_other_users_stay_in_the_queue(queueing: Host) -> None:
    session = LabSession(queueing)
    queueing.shell("echo 'echo theirs' | at -q c now + 2 hours 2>&1")
    for continuation in (AGAIN, ResumeJob("ctl", ("/usr/local/bin/again", "another"))):
        result = queue_resume(session, continuation, allowed=True)
        assert isinstance(result, Queued)
        assert result.is_new
    assert len(read_queue(queueing.do("atq"))) == 3


def test_at_spool_has_no_variable_of_the_callers_environment(queueing: Host) -> None:
    leaky = LabSession(queueing, ("env", "STORE_TOKEN=tok-1234567"))
    assert isinstance(queue_resume(leaky, AGAIN, allowed=True), Queued)
    number = str(read_queue(queueing.do("atq"))[0].number)
    shown = queueing.do("at", "-c", number)
    assert "tok-1234567" not in shown + queueing.shell("cat /var/spool/cron/atjobs/c*")
    queueing.shell(f"at -c {number} | env -i sh")
    names = {line.partition("=")[0] for line in queueing.read("/root/environment").splitlines()}
    assert names <= {"HOME", "LC_ALL", "OLDPWD", "PATH", "PWD", "SHLVL", "_"}


def test_atd_runs_the_job_at_its_time(queueing: Host) -> None:
    assert isinstance(queue_resume(LabSession(queueing), AGAIN, allowed=True), Queued)
    # The time a job is due stands in its file's name, in minutes since 1970; atd looks when the folder has changed.
    queueing.shell(
        'cd /var/spool/cron/atjobs; for job in c*; do mv "$job" "$(printf %s "$job" | cut -c1-6)00000000"; done;'
        'kill -HUP "$(cat /run/atd.pid)"'
    )
    assert wait_until(lambda: queueing.run("test", "-s", "/root/environment").returncode == 0)
    assert queueing.read("/root/continued") == "it's here\n--no-retry\n"
    assert wait_until(lambda: queueing.do("atq") == "")


def test_try_later_of_cpanel_queues_the_job_once(queueing: Host) -> None:
    queueing.write(HostFile(PROGRAM, _PANEL, 0o755))
    session = LabSession(queueing, ("env", "STORE_TOKEN=tok-1234567"))
    first, second = (queue_resume(session, AGAIN, allowed=True) for _ in range(2))
    assert isinstance(first, Queued)
    assert isinstance(second, Queued)
    assert (first.note, first.job.queue, first.is_new) == ("", "a", True)
    assert (second.job.number, second.is_new) == (first.job.number, False)
    number = str(first.job.number)
    shown = queueing.do("at", "-c", number)
    assert "/usr/local/bin/again 'it'\"'\"'s here' --no-retry" in shown
    assert "tok-1234567" not in shown
    queueing.shell(f"at -c {number} | sh")
    assert queueing.read("/root/continued") == "it's here\n--no-retry\n"
    queueing.do("atrm", number)
    assert queueing.do("atq") == ""


def test_job_is_queued_with_at_if_try_later_of_cpanel_fails(queueing: Host) -> None:
    queueing.write(HostFile(PROGRAM, _REFUSING, 0o755))
    result = queue_resume(LabSession(queueing), AGAIN, allowed=True)
    assert isinstance(result, Queued)
    assert result.note == f"; queued by at, because {PROGRAM} did not queue it: it ended with 3: it is out of order"
    assert AGAIN.marker in queueing.do("at", "-c", str(result.job.number))


def test_double_of_try_later_refuses_undocumented_options(queueing: Host) -> None:
    queueing.write(HostFile(PROGRAM, _PANEL, 0o755))
    right = ("--action", "true", "--check", "/bin/sh -c exit 1", "--delay", "60", "--max-retries", "1", "--skip-first")
    for wrong in ((*right, "ItemTwo"), right[2:], (*right, "--delay", "60"), (*right[:4], "\u2013delay", *right[5:])):
        assert queueing.run(PROGRAM, *wrong).returncode == 2
    assert queueing.do("atq") == ""


def test_job_is_removed_and_the_reason_reported_if_atd_does_not_run(host: Host) -> None:
    result = queue_resume(LabSession(host), AGAIN, allowed=True)
    assert isinstance(result, NotQueued)
    assert "atd does not run here" in result.why
    assert host.do("atq") == ""


def test_reason_is_reported_if_at_is_missing_or_forbidden(host: Host) -> None:
    host.shell("useradd plain; echo plain >> /etc/at.deny")
    plain = ("setpriv", "--reuid", "plain", "--regid", "plain", "--clear-groups")
    refused = queue_resume(LabSession(host, plain), AGAIN, allowed=True)
    assert isinstance(refused, NotQueued)
    assert "this user may not use at" in refused.why
    host.shell("rm /usr/bin/at")
    missing = queue_resume(LabSession(host), AGAIN, allowed=True)
    assert isinstance(missing, NotQueued)
    assert "at is not installed here" in missing.why
