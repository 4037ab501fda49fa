"""Evidence: what was kept is judged again with no network, with the same verdicts."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from audit.observation import SCHEMA
from tests.support.evidence import A, keep, rows, unreachable
from tests.support.probe.tls_servers import closed_port


def verdicts(file: Path) -> dict[tuple[str, str], str]:
    return {(row["endpoint"], row["check"]): row["verdict"] for row in rows(file)}


def test_evidence_yields_the_same_verdicts_without_a_network(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closed_port() as port:
        endpoint = f"--audit-endpoint=https://127.0.0.1:{port}"
        live = pytester.runpytest("--pyargs", "audit", endpoint, "--audit-evidence=kept", "--audit-results=live.jsonl")

    def refuse(*_arguments: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    again = pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=kept", "--audit-results=again.jsonl")
    assert live.ret == again.ret == 1
    found = verdicts(pytester.path / "live.jsonl")
    assert found == verdicts(pytester.path / "again.jsonl")
    assert "fail" in found.values()


def test_evidence_of_an_earlier_run_is_replaced(pytester: pytest.Pytester) -> None:
    kept = keep(pytester.path / "kept", [unreachable(A)])
    before = len(list(kept.glob("*.json")))
    arguments = ("--audit-evidence=kept", "-k", "nothing_is_called_so")
    pytester.runpytest("--pyargs", "audit", "--audit-endpoint=https://127.0.0.1:1", *arguments)
    assert (before, [file.name for file in kept.glob("*.json")]) == (2, ["run.json"])


def test_evidence_of_another_schema_is_refused(pytester: pytest.Pytester) -> None:
    kept = keep(pytester.path / "kept", [unreachable(A)])
    manifest = json.loads((kept / "run.json").read_text())
    (kept / "run.json").write_text(json.dumps({**manifest, "schema": 99}))
    result = pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=kept")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"written with schema 99; this version reads schema {SCHEMA}" in result.stderr.str() + result.stdout.str()


def test_damaged_evidence_is_refused(pytester: pytest.Pytester) -> None:
    kept = keep(pytester.path / "kept", [unreachable(A)])
    (kept / "run.json").write_text('{"schema":1,"started":"2026-11-23T10:00:00Z","endpoints":[{}]')
    result = pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=kept")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_evidence_is_readable_by_its_owner_only(pytester: pytest.Pytester) -> None:
    pytester.runpytest("--pyargs", "audit", "--audit-endpoint=https://127.0.0.1:1", "--audit-evidence=kept")
    assert (pytester.path / "kept").stat().st_mode & 0o777 == 0o700


def test_evidence_can_be_judged_as_of_another_time(pytester: pytest.Pytester) -> None:
    kept = keep(pytester.path / "kept", [unreachable(A)])
    arguments = ("--audit-from-evidence", str(kept), "--audit-now=2027-01-01T00:00:00Z")
    pytester.makepyfile(test_own="def test_year(now, endpoint): assert now.year == 2027")
    pytester.runpytest("test_own.py", *arguments).assert_outcomes(passed=1)
