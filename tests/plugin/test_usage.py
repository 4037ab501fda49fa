"""Bad input to the command line: one clear line that names thing, place and fix, before anything is observed."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.evidence import A, keep, rows, unreachable
from tests.support.probe.tls_servers import serving


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--audit-endpoint", "gopher://x"],
            "endpoint 'gopher://x': the scheme 'gopher' is not known; known are https",
        ),
        (["--audit-endpoint", "www.example.com"], "has no scheme: write for example https://www.example.com"),
        (["--audit-endpoint", "https://x:0"], "port 0 cannot be connected to"),
        (["--audit-endpoint", "https://x:70000"], "a port is a number from 1 to 65535"),
        (["--audit-endpoint", "https://a b"], "has a space"),
        (["--audit-endpoint", "https://x?sin=y"], "unknown option 'sin'; known are sni and address"),
        (["--audit-endpoints", "nowhere.txt"], "--audit-endpoints nowhere.txt: No such file"),
        (["--audit-policy", "webpkl"], "webpki"),
        (["--audit-fail-on", "sever"], "--audit-fail-on 'sever': use one of low, medium, high, critical"),
        (["--audit-inconclusive", "ignore"], "use one of fail, report"),
        (["--audit-timeout", "soon"], "--audit-timeout 'soon': it must be a number above 0"),
        (["--audit-concurrency", "-1"], "--audit-concurrency '-1': it must be a number above 0"),
        (["--audit-now", "tomorrow"], "--audit-now 'tomorrow' is not an RFC 3339 time"),
        (["--audit-now", "2026-11-23T10:00:00"], "has no time zone"),
        (["--audit-trust", "nowhere.pem"], "trust 'nowhere.pem': nowhere.pem: No such file"),
        (["--audit-waivers", "nowhere.toml"], "nowhere.toml: No such file"),
        (["--audit-config", "nowhere.toml"], "nowhere.toml: No such file"),
        (["--audit-from-evidence", "nowhere"], "nowhere: there is no directory of this name"),
        (["--audit-results", "no/such/folder/results.jsonl"], "results.jsonl: No such file or directory"),
        (["--audit-evidence", "file.txt/evidence"], "--audit-evidence"),
        (["--html", "file.txt/report.html"], "file.txt is not a directory"),
        (["--junit-xml", "file.txt/junit.xml"], "file.txt is not a directory"),
        (["--html", "."], "it is a directory; give the name of a file"),
    ],
)
def test_invalid_option_is_reported_before_the_audit(
    pytester: pytest.Pytester, arguments: list[str], message: str
) -> None:
    (pytester.path / "file.txt").touch()
    endpoint = (
        [] if arguments[0] in ("--audit-endpoint", "--audit-endpoints") else ["--audit-endpoint", "https://127.0.0.1:1"]
    )
    result = pytester.runpytest("--pyargs", "audit", *endpoint, *arguments)
    said = result.stderr.str() + result.stdout.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR, said
    assert message in said.replace(f"{pytester.path}/", "")
    assert "Traceback" not in said


@pytest.mark.parametrize("flag", ["--html", "--junit-xml", "--audit-results"])
def test_unwritable_report_is_reported(pytester: pytest.Pytester, flag: str) -> None:
    arguments = ("--audit-endpoint=https://127.0.0.1:1", f"{flag}=/proc/no-such-folder/report")
    result = pytester.runpytest("--pyargs", "audit", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{flag} /proc/no-such-folder/report: No such file or directory" in result.stderr.str()


def test_invalid_line_is_a_finding_and_the_rest_is_audited(pytester: pytest.Pytester) -> None:
    (pytester.path / "list.txt").write_text("# ours\nhttps://127.0.0.1:1\n\ngopher://x  # old\n")
    result = pytester.runpytest("--pyargs", "audit", "--audit-endpoints=list.txt", "--audit-results=results.jsonl")
    found = {(row["endpoint"], row["check"]): row for row in rows(pytester.path / "results.jsonl")}
    assert found[("run/", "ops.endpoint-unusable")]["verdict"] == "fail"
    assert "list.txt:4: " in found[("run/", "ops.endpoint-unusable")]["message"]
    assert found[("https://127.0.0.1:1", "svc.unreachable")]["verdict"] == "fail"
    assert result.ret == 1


def test_file_without_a_usable_line_is_a_usage_error(pytester: pytest.Pytester) -> None:
    (pytester.path / "list.txt").write_text("gopher://x\n")
    result = pytester.runpytest("--pyargs", "audit", "--audit-endpoints=list.txt")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "list.txt, line 1" in result.stderr.str() + result.stdout.str()


def test_endpoints_are_read_from_standard_input(pytester: pytest.Pytester) -> None:
    arguments = ("-m", "pytest", "--pyargs", "audit", "--audit-endpoints=-", "--audit-results=results.jsonl")
    done = subprocess.run(
        [sys.executable, *arguments],
        input="https://127.0.0.1:1\n",
        text=True,
        cwd=pytester.path,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert {row["endpoint"] for row in rows(pytester.path / "results.jsonl")} == {"https://127.0.0.1:1", "run/"}


def test_collect_only_observes_nothing_and_keeps_old_results(pytester: pytest.Pytester) -> None:
    (pytester.path / "results.jsonl").write_text("old\n")
    evidence = keep(pytester.path / "evidence", [unreachable(A)])
    arguments = ["--audit-from-evidence", str(evidence), "--audit-results=results.jsonl", "--collect-only", "-q"]
    result = pytester.runpytest("--pyargs", "audit", *arguments)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_*https://a.example:443?"])
    assert Path(pytester.path / "results.jsonl").read_text() == "old\n"


def test_collect_only_opens_no_connection(pytester: pytest.Pytester) -> None:
    with serving(socket.socket.close) as server:
        result = pytester.runpytest(
            "--pyargs", "audit", f"--audit-endpoint=https://127.0.0.1:{server.port}", "--collect-only", "-q"
        )
        assert (result.ret, server.connections) == (0, 0)
