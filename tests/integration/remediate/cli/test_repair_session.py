"""A session of pytest that repairs or plans to: what it prints, returns and writes if nothing can be repaired."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pytest_sslaudit import session  # noqa: F401 - kept loaded: pytester drops what a run inside the process loads
from remediate.run import RepairRun
from remediate.state.lock import locked

CLOSED = "https://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _state(pytester: pytest.Pytester) -> None:
    pytester.mkdir("state").chmod(0o700)


def audit(pytester: pytest.Pytester, *arguments: str) -> tuple[pytest.RunResult, list[dict[str, Any]]]:
    """Audit an endpoint that refuses connections; return how the run ended, and its results file."""
    given = ("--pyargs", "audit", f"--audit-endpoint={CLOSED}", "--audit-state=state", "--audit-results=results.jsonl")
    ended = pytester.runpytest_inprocess("-p", "no:cacheprovider", *given, *arguments)
    return ended, [json.loads(line) for line in (pytester.path / "results.jsonl").read_text().splitlines()]


def test_dry_run_of_an_unreachable_endpoint_changes_nothing(pytester: pytest.Pytester) -> None:
    ended, rows = audit(pytester, "--remediate-dry-run")
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    ended.stdout.fnmatch_lines([
        "no issuer is chosen, so no certificate can be ordered: *--audit-issuer",
        "nothing was changed; 0 commands on 0 hosts *", f"{CLOSED}*svc.unreachable*",
    ])  # fmt: skip
    assert list((pytester.path / "state").iterdir()) == []
    assert [row["kind"] for row in rows if row["kind"] == "remediation"] == []


def test_each_result_is_written_once_if_nothing_is_judged_again(pytester: pytest.Pytester) -> None:
    ended, rows = audit(pytester, "--remediate")
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    ended.stdout.fnmatch_lines(["*0 to repair*"])
    results = [(row["check"], row["endpoint"]) for row in rows if row["kind"] == "result"]
    assert len(results) == len(set(results)) > 1
    assert {row["phase"] for row in rows if row["kind"] == "result"} == {"before"}


def test_second_repair_at_a_time_only_audits(pytester: pytest.Pytester) -> None:
    with locked(pytester.path / "state", "another run", datetime.now(UTC)):
        ended, rows = audit(pytester, "--remediate")
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    ended.stdout.fnmatch_lines(["nothing was repaired: *(another run)*"])
    assert rows[-1]["kind"] == "summary"


def test_exception_in_the_plan_is_printed_and_the_audit_reported(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(RepairRun, "plan", broken)
    ended, rows = audit(pytester, "--remediate")
    assert ended.ret == 3
    ended.stdout.fnmatch_lines(["*KeyError: 'a bug'*", f"{CLOSED}*svc.unreachable*"])
    assert (rows[-1]["kind"], rows[-1]["exit_status"]) == ("summary", 3)


def test_invalid_issuer_is_a_usage_error_before_anything_is_observed(pytester: pytest.Pytester) -> None:
    ended = pytester.runpytest_inprocess("--pyargs", "audit", f"--audit-endpoint={CLOSED}", "--remediate-dry-run",
                                         "--audit-issuer=stroe")  # fmt: skip
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["ERROR: *stroe*"])
