"""The lock allows one run at a time and names its holder."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from remediate.state.lock import LOCK_FILE, LockHeld, locked
from tests.support.checkout import CHECKOUT
from tests.support.remediate.result_rows import NOW

HOLDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from remediate.state.lock import locked
with locked(Path(sys.argv[1]), "python -m remediate apply", datetime(2026, 11, 23, 3, tzinfo=UTC)):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_lock_names_its_holder_and_is_released_if_the_holder_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            with (
                pytest.raises(
                    LockHeld, match=rf"process {holder.pid} \(python -m remediate apply\) for 3 min: wait until it ends"
                ),
                locked(tmp_path, "pytest --remediate", NOW + timedelta(minutes=3)),
            ):
                pass
        finally:
            holder.kill()
    with locked(tmp_path, "pytest --remediate", NOW):
        assert "pytest --remediate" in (tmp_path / LOCK_FILE).read_text(encoding="utf-8")


def test_lock_is_released_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path, "first", NOW):
        raise KeyError
    with locked(tmp_path, "second", NOW):
        pass


def test_holder_without_a_signature_is_another_run(tmp_path: Path) -> None:
    with locked(tmp_path, "first", NOW):
        (tmp_path / LOCK_FILE).write_text("", encoding="utf-8")
        with (
            pytest.raises(LockHeld, match="by another run: wait until it ends"),
            locked(tmp_path, "second", NOW),
        ):
            pass
