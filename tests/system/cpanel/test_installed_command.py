"""`checkallsslcerts` on a host: beside the panel's own run, with what lies in /etc, and as cron starts it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.hosts.host import Host, HostFile, running_host

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

UPDATE = "/usr/local/cpanel/scripts/upcp"
SCRIPT = "/usr/local/cpanel/bin/checkallsslcerts"
_WAITS = (
    "import sys; from pytest_sslaudit.cli.checkallsslcerts import main; sys.exit(main([], wait_s=float(sys.argv[1])))"
)
_BIN = Path(sys.executable).parent
_END = "kill $(cat /run/upcp.pid) 2>/dev/null || :"
_SLEEPS = "#!/bin/sh\ntrap 'kill $!' TERM\nsleep 300 & wait\n"


@pytest.fixture(scope="module")
def host(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - asked for to skip before anything starts
    with running_host("controller", "server.example.test") as running:
        yield running


@pytest.fixture
def panel(host: Host) -> Iterator[Host]:
    """Have the panel's update run."""
    host.write(HostFile(UPDATE, _SLEEPS, 0o755))
    host.shell(f"{UPDATE} --cron >/dev/null 2>&1 & echo $! > /run/upcp.pid")
    yield host
    host.shell(_END)


def waiting(wait_s: float) -> tuple[str, ...]:
    """Return what runs the command, which waits so long for the panel."""
    return ("env", "-C", str(CHECKOUT), sys.executable, "-uc", _WAITS, str(wait_s))


def test_run_stops_if_the_update_of_cpanel_does_not_end(panel: Host) -> None:
    done = panel.run(*waiting(0.5))
    number = panel.read("/run/upcp.pid").strip()
    named = f"the panel's own {UPDATE} (process {number})"
    assert done.returncode == 75
    assert done.stdout == f"{named} is running: waiting up to 0 min for its end\n"
    assert done.stderr == f"checkallsslcerts: nothing was done: {named} is still running; the next run tries again\n"
    assert panel.shell("ls /var/log/sslaudit") == "lock\n"


def test_run_waits_for_the_end_of_the_cpanel_update(panel: Host) -> None:
    with panel.start(*waiting(60.0)) as begun:
        assert begun.stdout
        assert begun.stdout.readline().endswith("is running: waiting up to 1 min for its end\n")
        panel.shell(_END)
        output, errors = begun.communicate(timeout=240)
    assert begun.returncode in (0, 1), errors
    assert "the report: /var/log/sslaudit/report.html" in output


def test_run_started_by_the_cpanel_update_does_not_wait_for_it(host: Host) -> None:
    line = shlex.join((str(_BIN / "checkallsslcerts"), "--no-retry"))
    host.write(HostFile(SCRIPT, f"#!/bin/sh\n{line} > /run/hook 2>&1\necho $? >> /run/hook\n", 0o755))
    host.shell(f"rm -f /run/hook; timeout 60 {SCRIPT}; rm {SCRIPT}")
    result = host.read("/run/hook").splitlines()
    assert result[-1] in "01"
    assert not [one for one in result if "waiting" in one]


def test_configuration_in_etc_is_read_and_its_errors_are_reported(host: Host) -> None:
    host.write(HostFile("/etc/sslaudit/sslaudit.toml", "hots = []\n", 0o600))
    done = host.run(*waiting(0))
    host.shell("rm -r /etc/sslaudit")
    assert (done.returncode, done.stdout) == (4, "")
    assert "/etc/sslaudit/sslaudit.toml: unknown key 'hots'; did you mean 'hosts'?" in done.stderr


def test_installed_timer_runs_from_cron_and_can_be_removed(host: Host) -> None:
    sslaudit = str(_BIN / "sslaudit")
    host.do(sslaudit, "install-timer", "--cron", "--at", "03:00")
    assert host.shell("stat -c '%U %G %a' /etc/cron.d/sslaudit") == "root root 644\n"
    line = host.read("/etc/cron.d/sslaudit").splitlines()[-1].split(" root ", 1)[1]
    host.shell("rm -rf /var/log/sslaudit")
    done = host.run(
        "env", "-i", "-C", "/root", "HOME=/root", "LOGNAME=root", "PATH=/usr/bin:/bin", "/bin/sh", "-c", line
    )
    assert (done.stdout, done.stderr) == ("", ""), "cron would mail it"
    assert done.returncode in (0, 1)
    assert "the report: /var/log/sslaudit/report.html" in host.read("/var/log/sslaudit/checkallsslcerts.log")
    host.do(sslaudit, "remove-timer")
    assert host.shell("ls -A /etc/cron.d | grep sslaudit || :") == ""
