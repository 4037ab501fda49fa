"""Progress while hosts are inspected, and while endpoints are probed: the second on a terminal only."""

from __future__ import annotations

import os
import pty
import re
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


HOSTS = "--hosts=docker://not-there-1,docker://not-there-2"


def test_terminal_shows_the_last_host_and_the_count(pytester: pytest.Pytester) -> None:
    shown = on_a_terminal(pytester, HOSTS)
    assert re.search(r"2 of 2 hosts; not-there-\d: docker://not-there-\d: ", shown)


def test_pipe_gets_a_line_for_each_host(pytester: pytest.Pytester) -> None:
    done = subprocess.run(
        [*ARGUMENTS, HOSTS], cwd=pytester.path, capture_output=True, text=True, check=False, timeout=120
    )
    assert len(re.findall(r"^not-there-\d: docker://not-there-\d: .* \(\d of 2 hosts", done.stdout, re.MULTILINE)) == 2
    assert "\x1b" not in done.stdout


def test_pipe_gets_no_progress(pytester: pytest.Pytester, closed_endpoint: str) -> None:
    done = subprocess.run(
        [*ARGUMENTS, closed_endpoint], cwd=pytester.path, capture_output=True, text=True, check=False, timeout=120
    )
    assert "svc.unreachable" in done.stdout
    assert "probing" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
