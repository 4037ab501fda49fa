"""What root did not inspect on a host is seen by the user: on the terminal, in the results and in the report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.observation import HostView, Observation
from tests.support.evidence import NOW, WEB1, keep, rows

UNTRUSTED = tuple(f"process {4711 + number} named nginx belongs to uid 1001: not inspected" for number in range(16))
MORE = "44 more processes with a service's name are not trusted: not inspected"
SEEN = HostView("web1", "ssh://root@web1", "web1.example", clock_offset_s=0.0)


@pytest.mark.parametrize("level", ["low", "medium"])
def test_untrusted_processes_and_the_bound_on_them_are_reported(pytester: pytest.Pytester, level: str) -> None:
    keep(pytester.path / "evidence", [Observation(WEB1, NOW, server=replace(SEEN, not_trusted=(*UNTRUSTED, MORE)))])
    reports = ("--audit-results=results.jsonl", "--html=report.html", "--self-contained-html")
    ended = pytester.runpytest(
        "--pyargs", "audit", "--audit-from-evidence=evidence", f"--audit-fail-on={level}", *reports
    )
    ended.stdout.fnmatch_lines([f"web1/  inconclusive host.not-inspected: {UNTRUSTED[0]}; *"])
    assert int(ended.ret) == (1 if level == "low" else 0)
    (row,) = (row for row in rows(pytester.path / "results.jsonl") if row["check"] == "host.not-inspected")
    assert (row["endpoint"], row["verdict"]) == ("web1/", "inconclusive")
    assert len(row["message"]) <= 500
    assert row["detail"]["message"] == "; ".join((*UNTRUSTED, MORE))
    assert UNTRUSTED[0] in (pytester.path / "report.html").read_text()


def test_what_could_not_be_read_on_a_host_fails_the_run(pytester: pytest.Pytester) -> None:
    keep(pytester.path / "evidence", [Observation(WEB1, NOW, server=replace(SEEN, missing_rights=(UNTRUSTED[0],)))])
    ended = pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=evidence")
    ended.stdout.fnmatch_lines([f"web1/  inconclusive svc.unreachable: {UNTRUSTED[0]}"])
    assert ended.ret == 1
