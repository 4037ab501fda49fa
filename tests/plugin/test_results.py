"""The results file as it grows, and the results in memory: a run that is killed leaves what it has judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.engine import AuditSettings, make_run
from audit.evaluation.facts import Facts
from audit.evaluation.key_index import KeyIndex
from audit.evaluation.observation_row import observation_row
from audit.observation import DnsView
from audit.x509.path.trust_store import TrustAnchors
from pytest_sslaudit.reports.results_file import ResultsFile
from tests.support.endpoint_facts import observed
from tests.support.evidence import rows


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
