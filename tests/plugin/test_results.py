"""The results file as it grows: a run that is killed leaves what it has judged."""

from __future__ import annotations

from pathlib import Path

from pytest_sslaudit.reports.results_file import ResultsFile
from tests.plugin.evidence import rows


def test_a_line_is_in_the_file_before_the_run_has_ended(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    results = ResultsFile(file)
    results.write("observation", endpoint="https://a.example:443")
    assert rows(file, "observation") == [{"kind": "observation", "endpoint": "https://a.example:443"}]
    results.close(exit_status=0)
    assert rows(file, "summary") == [{"kind": "summary", "exit_status": 0}]
