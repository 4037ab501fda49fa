"""Loads the plugin in a run of pytest without an audit, and measures what that imports and costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

METER: Final = """
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


def measured_without_audit(folder: Path) -> dict[str, Any]:
    """Return `modules` that the plugin imported, and `ms` of CPU time; `folder` is for the run alone."""
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = []\n")
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
