"""The plugin costs a run without an audit less than 20 ms, so that it may be installed everywhere.

What is imported is counted, as a count does not depend on the machine; the time is CPU time, the least of several
processes, as whatever else runs only ever adds to it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BOUND_MS = 20.0
PROCESSES = 7

METER = """
import json, sys, time
import pytest

class Meter:
    def pytest_addoption(self, pluginmanager):
        known, began = set(sys.modules), time.process_time()
        pluginmanager.import_plugin("pytest_sslaudit.plugin")  # its options are added now: hooks are called late too
        self.loading_s = time.process_time() - began
        self.modules = sorted(set(sys.modules) - known)

    def pytest_configure(self, config):
        plugin, began = config.pluginmanager.get_plugin("pytest_sslaudit.plugin"), time.process_time()
        is_requested = plugin.is_requested(config, plugin.NAMES)
        ms = 1000 * (self.loading_s + time.process_time() - began)
        print(json.dumps({"is_requested": is_requested, "ms": ms, "modules": self.modules}))

pytest.main(["--collect-only", "-q", "-s", "-p", "no:cacheprovider"], plugins=[Meter()])
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Load the plugin in a run of pytest that has no other, and let it ask whether an audit is wanted."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = []\n")
    return [_run(folder) for _ in range(PROCESSES)]


def _run(folder: Path) -> dict[str, Any]:
    environment = {"PATH": os.defpath, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-c", METER]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("{")), None)
    assert line, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(line)
    assert found["is_requested"] is False
    return found


def test_run_without_an_audit_imports_three_small_modules(runs: list[dict[str, Any]]) -> None:
    names = ("activation", "hookspecs", "plugin")
    assert runs[0]["modules"] == ["pytest_sslaudit", *(f"pytest_sslaudit.{name}" for name in names)]


def test_run_without_an_audit_costs_less_than_20_ms(runs: list[dict[str, Any]]) -> None:
    assert min(run["ms"] for run in runs) < BOUND_MS
