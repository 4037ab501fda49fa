"""The demo: what was planted is found and nothing else, and a difference of either kind is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.demo import compare, read_results, tell

ROOT = Path(__file__).parents[2]


def row(endpoint: str, check: str, verdict: str, **detail: object) -> dict[str, object]:
    return {"endpoint": endpoint, "check": check, "verdict": verdict, "detail": detail}


def test_what_is_planted_and_found_is_exact() -> None:
    results = [row("a", "cert.expired", "fail"), row("b", "cert.expired", "pass")]
    comparison = compare(["a", "b"], {"a": ["cert.expired"]}, results)
    assert comparison.is_exact
    assert comparison.sound == 1


def test_what_is_planted_and_not_found_is_missed() -> None:
    comparison = compare(["a"], {"a": ["cert.expired"]}, [row("a", "cert.expired", "pass")])
    assert comparison.missed == (("a", "cert.expired"),)
    assert "MISSED  cert.expired  a" in list(tell(comparison))


@pytest.mark.parametrize("verdict", ["fail", "inconclusive", "error"])
def test_what_is_found_and_not_planted_is_unexpected(verdict: str) -> None:
    comparison = compare(["a"], {}, [row("a", "key.weak", verdict)])
    assert comparison.unexpected == (("a", "key.weak"),)
    assert "UNEXPECTED  key.weak  a" in list(tell(comparison))


def test_what_follows_from_another_finding_is_no_finding_of_its_own() -> None:
    results = [row("a", "svc.unreachable", "fail"), row("a", "key.weak", "inconclusive", because="svc.unreachable")]
    assert compare(["a"], {"a": ["svc.unreachable"]}, results).is_exact


def test_results_of_a_run_that_did_not_finish_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text('{"kind": "run"}\n')
    with pytest.raises(ValueError, match="did not finish"):
        read_results(tmp_path / "results.jsonl")


def test_the_audit_finds_the_planted_faults_and_no_others(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.lab.demo"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert (tmp_path / "report.html").stat().st_size > 0


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_the_option_audits_the_lab_as_its_arguments_would(tmp_path: Path, workers: tuple[str, ...]) -> None:
    results = tmp_path / "results.jsonl"
    audit = ["--pyargs", "audit", "--lab", "-k", "www.lab or expired-mail", "--audit-results", str(results)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *audit, *workers]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout[-4000:] + done.stderr[-2000:]
    failed = {row["check"] for row in read_results(results) if row["verdict"] not in ("pass", "not-applicable")}
    assert failed == {"cert.expired"}
