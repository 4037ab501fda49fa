"""Worker processes end with their run: at its end, by a deadline, by an interrupt, and when it is killed.

What they have judged until then is in the results.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.evidence import rows
from tests.support.hosts.openssl_client import wait_until
from tests.support.probe.tls_servers import Count, closed_port, serving
from tests.support.processes import descendants, wait_until_ended

WORD = "local_worker"


def hold(over: threading.Event) -> None:
    """Wait for the end of the test."""
    over.wait(120)


@contextmanager
def hanging() -> Iterator[Count]:
    """Serve connections that are never answered while the block runs."""
    over = threading.Event()
    with serving(lambda _: hold(over)) as server:
        try:
            yield server
        finally:
            over.set()


def command(server: Count, *arguments: str) -> list[str]:
    """Return the command of an audit of servers that hang."""
    return [sys.executable, "-m", "pytest", "--pyargs", "audit", "-p", "no:cacheprovider", "--audit-workers=2",
            "--audit-state=state", "--audit-results=results.jsonl", f"--audit-endpoint=https://127.0.0.1:{server.port}",
            f"--audit-endpoint=https://localhost:{server.port}?address=127.0.0.1", *arguments]  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["INT", "TERM", "KILL"])
def test_workers_end_when_their_run_gets_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with hanging() as server:
        run = subprocess.Popen(
            command(server, "--audit-timeout=60"), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=os.environ | {"TMPDIR": str(temporary)},
        )  # fmt: skip
        server.wait_for(1)
        started = descendants(run.pid, WORD)
        run.send_signal(number)
        status = run.wait()
        wait_until_ended(started, WORD)
    assert len(started) >= 2
    assert wait_until(lambda: not list(temporary.iterdir()))
    assert status == (-number if number is signal.SIGKILL else pytest.ExitCode.INTERRUPTED)


def test_deadline_of_a_probe_ends_the_workers_of_hanging_servers(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    with hanging() as server:
        run = subprocess.run(command(server, "--audit-timeout=1"), cwd=tmp_path, capture_output=True, check=False)
    found = rows(tmp_path / "results.jsonl")
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert [row["verdict"] for row in found if row["check"] == "svc.unreachable"] == ["fail", "fail"]


def test_results_of_others_are_recorded_while_an_endpoint_hangs(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    results = tmp_path / "results.jsonl"
    with hanging() as server, closed_port() as port:
        given = (
            "--audit-timeout=60",
            "--audit-items=check",
            f"--audit-endpoint=https://closed.test:{port}?address=127.0.0.2",
        )
        run = subprocess.Popen(command(server, *given), cwd=tmp_path, stdout=subprocess.DEVNULL)
        try:
            reported = wait_until(lambda: results.exists() and bool(_endpoints_in(results)))
            was_running = run.poll() is None
        finally:
            run.send_signal(signal.SIGINT)
            status = run.wait()
    assert reported
    assert was_running
    assert status == pytest.ExitCode.INTERRUPTED
    assert _endpoints_in(results) == {f"https://closed.test:{port}+127.0.0.2"}


def _endpoints_in(results: Path) -> set[str]:
    """Return the endpoints that have results."""
    return {row["endpoint"] for row in rows(results) if row["check"] == "svc.unreachable"}
