"""Progress while probing: on a terminal only."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.probe.tls_servers import closed_port

ARGUMENTS = (sys.executable, "-m", "pytest", "--pyargs", "audit", "-p", "no:cacheprovider")


@pytest.fixture
def closed_endpoint() -> Iterator[str]:
    with closed_port() as port:
        yield f"--audit-endpoint=https://127.0.0.1:{port}"


def on_a_terminal(pytester: pytest.Pytester, *arguments: str) -> str:
    """Run on a terminal of its own; returns all that was written to it."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*ARGUMENTS, *arguments], cwd=pytester.path, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        written = bytearray()
        with suppress(OSError):  # how Linux says that the other side is closed
            while chunk := os.read(ours, 65_536):
                written += chunk
    os.close(ours)
    return written.decode()


def test_terminal_shows_count_rate_and_slowest_endpoint(pytester: pytest.Pytester, closed_endpoint: str) -> None:
    said = on_a_terminal(pytester, closed_endpoint)
    assert "probing 1/1, " in said
    assert "/s, slowest https://127.0.0.1:" in said


def test_quiet_run_shows_no_progress(pytester: pytest.Pytester, closed_endpoint: str) -> None:
    assert "probing" not in on_a_terminal(pytester, closed_endpoint, "-q")


def test_pipe_gets_no_progress(pytester: pytest.Pytester, closed_endpoint: str) -> None:
    done = subprocess.run(
        [*ARGUMENTS, closed_endpoint], cwd=pytester.path, capture_output=True, text=True, check=False, timeout=120
    )
    assert "svc.unreachable" in done.stdout
    assert "probing" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
