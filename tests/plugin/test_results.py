"""The results file as it grows, and the results in memory: a run that is killed leaves what it has judged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from audit.engine import AuditSettings, make_run
from audit.evaluation.facts import Facts
from audit.evaluation.key_index import KeyIndex
from audit.evaluation.result import Result, from_row
from audit.observation import DnsView
from audit.x509.path.trust_store import TrustAnchors
from pytest_sslaudit.reports import results_file
from pytest_sslaudit.reports.results_file import ResultsFile, observation_row
from tests.support.endpoint_facts import observed
from tests.support.evidence import A, B, keep, rows, unreachable


def test_result_is_in_the_file_before_the_run_ends(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    results = ResultsFile(file)
    results.write("observation", endpoint="https://a.example:443")
    assert rows(file, "observation") == [{"kind": "observation", "endpoint": "https://a.example:443"}]
    results.close(exit_status=0)
    assert rows(file, "summary") == [{"kind": "summary", "exit_status": 0}]


@pytest.mark.parametrize(
    ("dns", "resolved"),
    [
        (None, None),
        (DnsView("not-asked"), None),
        (DnsView("nxdomain"), []),
        (DnsView("ok", ("192.0.2.7", "2001:db8::7")), ["192.0.2.7", "2001:db8::7"]),
    ],
    ids=["none", "not asked", "not found", "found"],
)
def test_row_has_the_addresses_that_a_name_resolved_to(dns: DnsView | None, resolved: list[str] | None) -> None:
    run = make_run(AuditSettings(TrustAnchors({})), KeyIndex().sharing)
    assert observation_row(Facts(observed(dns=dns), run))["resolved"] == resolved


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "-n2"])
def test_result_is_decoded_once_for_all_reports(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    decoded: list[str] = []

    def counting(row: Mapping[str, Any]) -> Result:
        decoded.append(row["nodeid"])
        return from_row(row)

    monkeypatch.setattr(results_file, "from_row", counting)
    evidence = keep(pytester.path / "evidence", [unreachable(A), unreachable(B)])
    given = (f"--audit-from-evidence={evidence}", "--audit-results=results.jsonl", "--html=report.html")
    pytester.runpytest("--pyargs", "audit", *given, *workers)
    nodes = [row["nodeid"] for row in rows(pytester.path / "results.jsonl")]
    assert sorted(decoded) == sorted(nodes)
    assert len(nodes) > 60
