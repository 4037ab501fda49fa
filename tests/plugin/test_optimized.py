"""Python leaves out assert statements with -O: own checks are refused, and the built-in ones need none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from audit.observation import Observation
from tests.support.endpoint_facts import served
from tests.support.evidence import NOW, A, B, host, keep, rows, unreachable

OWN: Final = """
from audit import check

@check("acme.own", severity="low")
def test_own(observation):
    assert observation.addresses
"""
REFUSAL: Final = (
    "*the check acme.own of test_own.py may use assert, which Python leaves out with -O or PYTHONOPTIMIZE: "
    "start Python without them"
)
ADDED: Final = "from audit.fleet.auditor import _added; print(len(list(_added(['test_own']))))"


@pytest.fixture
def kept(pytester: pytest.Pytester) -> pytest.Pytester:
    """Keep the evidence of an endpoint that was reached, one that was not, and a host."""
    keep(pytester.path / "kept", [Observation(A, NOW, ("192.0.2.7",), (served(),)), unreachable(B), host()])
    return pytester


def audit(kept: pytest.Pytester, *given: str, flags: tuple[str, ...] = ()) -> pytest.RunResult:
    """Audit the evidence in another process."""
    results = ("--audit-from-evidence=kept", "--audit-results=results.jsonl")
    return kept.run(sys.executable, *flags, "-m", "pytest", "-p", "no:cacheprovider", *results, *given)


def judged(kept: pytest.Pytester) -> list[dict[str, Any]]:
    """Return the results without their durations."""
    return [{**row, "duration_s": 0} for row in rows(kept.path / "results.jsonl")]


def test_own_check_is_a_usage_error(kept: pytest.Pytester) -> None:
    kept.makepyfile(test_own=OWN)
    run = audit(kept, "test_own.py", flags=("-O",))
    run.stderr.fnmatch_lines([REFUSAL])
    assert run.ret == pytest.ExitCode.USAGE_ERROR


def test_own_check_is_a_usage_error_in_a_worker(kept: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.makepyfile(test_own=OWN)
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    run = audit(kept, "test_own.py", "-n1")
    assert REFUSAL.strip("*") in run.stdout.str() + run.stderr.str()
    assert run.ret == pytest.ExitCode.USAGE_ERROR


def test_built_in_checks_have_the_same_verdicts(kept: pytest.Pytester) -> None:
    audit(kept, "--pyargs", "audit", flags=("-O",))
    optimized = judged(kept)
    audit(kept, "--pyargs", "audit")
    assert optimized == judged(kept)
    assert {row["verdict"] for row in optimized} == {"pass", "fail", "not-applicable", "inconclusive"}


@pytest.mark.parametrize(("flags", "count"), [((), 1), (("-O",), 0)], ids=["plain", "optimized"])
def test_worker_leaves_own_checks_to_the_run(flags: tuple[str, ...], count: int, tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(OWN)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run([sys.executable, *flags, "-c", ADDED], env=environment, capture_output=True, check=True)
    assert int(run.stdout) == count
