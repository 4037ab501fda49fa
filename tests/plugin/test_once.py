"""One probe per endpoint and run, counted at the server, whatever is selected and however many workers judge."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.evidence import rows
from tests.support.probe.tls_servers import Count, hold, serving


@pytest.fixture
def listener() -> Iterator[Count]:
    """Close each connection at once."""
    with serving(lambda _: None) as server:
        yield server


@pytest.fixture
def silent() -> Iterator[Count]:
    """Send nothing on any connection."""
    with serving(hold) as server:
        yield server


def audit(pytester: pytest.Pytester, listener: Count, *arguments: str) -> pytest.RunResult:
    given = (f"--audit-endpoint=https://127.0.0.1:{listener.port}", "--audit-results=results.jsonl")
    return pytester.runpytest("--pyargs", "audit", *given, *arguments)


def connections(pytester: pytest.Pytester) -> int:
    (row,) = rows(pytester.path / "results.jsonl", "observation")
    return int(row["connections"])


@pytest.mark.parametrize("workers", [(), ("-n2", "--dist=loadscope")])
def test_all_checks_judge_one_probe(pytester: pytest.Pytester, listener: Count, workers: tuple[str, ...]) -> None:
    assert audit(pytester, listener, *workers).ret == 1
    assert listener.connections == connections(pytester)
    verdicts = Counter(row["check"] for row in rows(pytester.path / "results.jsonl"))
    assert set(verdicts.values()) == {1}


@pytest.mark.parametrize("arguments", [("-k", "no_such_test"), ("--collect-only",)])
def test_deselected_endpoint_is_not_probed(
    pytester: pytest.Pytester, listener: Count, arguments: tuple[str, ...]
) -> None:
    audit(pytester, listener, *arguments)
    assert listener.connections == 0


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_only_endpoints_of_selected_tests_are_probed(
    pytester: pytest.Pytester, listener: Count, silent: Count, workers: tuple[str, ...]
) -> None:
    other = f"--audit-endpoint=https://127.0.0.1:{silent.port}"
    assert audit(pytester, listener, other, "-k", f"127.0.0.1:{listener.port}", *workers).ret == 1
    assert (listener.connections, silent.connections) == (connections(pytester), 0)
    assert listener.connections > 0
    assert set(Counter(row["check"] for row in rows(pytester.path / "results.jsonl")).values()) == {1}


def test_last_failed_probes_only_the_failed_endpoints(pytester: pytest.Pytester, listener: Count) -> None:
    audit(pytester, listener)
    before = listener.connections
    audit(pytester, listener, "--lf")
    assert listener.connections == 2 * before
    assert {row["check"] for row in rows(pytester.path / "results.jsonl")} == {"svc.unreachable"}


@pytest.mark.parametrize("workers", [(), ("-n2",)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_run_cleanly(
    pytester: pytest.Pytester, silent: Count, number: signal.Signals, workers: tuple[str, ...]
) -> None:
    endpoint = f"--audit-endpoint=https://127.0.0.1:{silent.port}"
    arguments = ["--audit-timeout=60", "--audit-results=results.jsonl", "--junitxml=junit.xml", "--html=report.html"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--pyargs", "audit", endpoint, *arguments, *workers],
        cwd=pytester.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline, results = time.monotonic() + 120, pytester.path / "results.jsonl"
    while not (silent.connections and results.exists() and results.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)  # another process may connect to the port before the run has begun
    process.send_signal(number)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, said
    (summary,) = rows(pytester.path / "results.jsonl", "summary")
    assert summary["exit_status"] == 2
    assert (pytester.path / "junit.xml").exists()
    assert (pytester.path / "report.html").exists()
    assert not _children_in(pytester.path)


def _children_in(folder: Path) -> list[str]:
    """Return what still runs in that folder beside ourselves."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").resolve() == folder and process.name != str(os.getpid()):
                found.append((process / "cmdline").read_text())
    return found
