"""The plugin costs a run without an audit less than 20 ms, so that it may be installed everywhere.

What is imported is counted, as a count does not depend on the machine; the time is CPU time, the least of several
processes, as whatever else runs only ever adds to it.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.idle_plugin import measured_without_audit

BOUND_MS = 20.0
PROCESSES = 7


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Load the plugin in a run of pytest that has no other, and let it ask whether an audit is wanted."""
    folder = tmp_path_factory.mktemp("plain")
    return [measured_without_audit(folder) for _ in range(PROCESSES)]


def test_run_without_an_audit_imports_three_small_modules(runs: list[dict[str, Any]]) -> None:
    names = ("activation", "hookspecs", "plugin")
    assert runs[0]["modules"] == ["pytest_sslaudit", *(f"pytest_sslaudit.{name}" for name in names)]


def test_run_without_an_audit_costs_less_than_20_ms(runs: list[dict[str, Any]]) -> None:
    assert min(run["ms"] for run in runs) < BOUND_MS
