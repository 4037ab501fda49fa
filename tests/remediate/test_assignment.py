"""What the configuration says becomes the bounds and the pace of a run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from audit.config import read_configuration
from audit.x509.path.trust_store import Anchors
from remediate.model.options import Assignment, Bounds

WRITTEN = """
[host."ssh://root@old*"]
remediate = false

[host."ssh://root@web1"]
name = "web1.example.com"

[remediate]
issuer = "store"
max_cases = 7
max_failures = 1
verify_timeout_s = 200
issuance_timeout_s = 30
foreign = "run-owner"
exclude_names = ["*.legacy.example.com"]
"""


def assignment(folder: Path, text: str, issuer: str | None = None) -> Assignment:
    """Return the assignment of a run with this configuration."""
    (folder / "sslaudit.toml").write_text(text)
    return Assignment(read_configuration(folder, None), folder, Anchors({}), "a test", issuer=issuer)


def test_how_far_a_run_may_go_stands_in_the_configuration(tmp_path: Path) -> None:
    told = assignment(tmp_path, WRITTEN)
    assert told.bounds == Bounds(
        max_cases=7,
        foreign="run-owner",
        hosts_left_out=("ssh://root@old*",),
        names_left_out=("*.legacy.example.com",),
        can_order=True,
    )
    assert told.bounds.max_age == timedelta(minutes=30)
    assert (told.pace.max_failures, told.waits.proof_s, told.waits.issuance_s) == (1, 200.0, 30.0)


@pytest.mark.parametrize("proof_s", [1, 60, 200, 1000])
def test_a_switch_waits_for_its_confirmation_far_longer_than_a_proof_takes(tmp_path: Path, proof_s: int) -> None:
    waits = assignment(tmp_path, f"[remediate]\nverify_timeout_s = {proof_s}").waits
    assert waits.confirmation_s >= max(300, 3 * proof_s)


def test_nothing_is_ordered_where_no_issuer_is_chosen_and_the_command_line_wins(tmp_path: Path) -> None:
    assert not assignment(tmp_path, "").bounds.can_order
    assert assignment(tmp_path, "", issuer="other").issuer_name == "other"
    assert assignment(tmp_path, WRITTEN, issuer="other").issuer_name == "other"
