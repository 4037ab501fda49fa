"""What a script starts for longer than itself survives a login that kills all processes of its session at its end."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from audit.host.trust import TRUST
from remediate.hosts.command import Command
from tests.support.remediate.fake_host.session import run
from tests.support.remediate.fake_host.switch import new_pair, new_switch_host


@pytest.fixture
def slow_setsid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delay the moment at which a process gets a session of its own: a busy machine does."""
    program = tmp_path / "bin/setsid"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nsleep 0.5\nexec {shutil.which("setsid")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("slow_setsid")
def test_switch_survives_the_login_that_started_it(tmp_path: Path) -> None:
    host = new_switch_host(tmp_path / "host", new_pair(tmp_path, "old"))
    name = host.stage(new_pair(tmp_path, "new"))
    assert host.start(name, confirm_within_s=0).ok
    final = host.wait_until(lambda progress: progress.last.state != "begun" or progress.holder is None)
    assert final.last.state != "begun"
    host.wait_until(lambda progress: progress.last.state == "confirmed")


@pytest.mark.usefixtures("slow_setsid")
def test_daemon_survives_the_login_that_started_it(tmp_path: Path) -> None:
    started = tmp_path / "started"
    daemon = 'echo $$ >"$1"; exec sleep 60'
    script = f'{TRUST}start_trusted /bin/sh -c "$1" sh "$2"'
    assert run(Command("local", "start a daemon", script, (daemon, str(started)))).ok
    deadline = time.monotonic() + 30
    while not (started.exists() and started.read_text()):
        assert time.monotonic() < deadline, "the daemon was killed before it ran"
        time.sleep(0.05)
    os.kill(int(started.read_text()), signal.SIGKILL)
