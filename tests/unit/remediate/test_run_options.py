"""Tests of run options: limits, timeouts and issuer come from the configuration and the command line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from audit.config import read_configuration
from audit.x509.path.trust_store import TrustAnchors
from remediate.model.options import RunLimits, RunOptions
from remediate.wiring.sections import run_limits

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
exclude_names = ["*.Legacy.example.com"]
drop_names = ["Old.example.com"]
replace_post_quantum_keys = true
key_encryption = "keep"
key_passphrase_on_host = "/etc/nginx/passphrase"
"""


def options(folder: Path, text: str, issuer: str | None = None) -> RunOptions:
    """Return the options of a run with this configuration."""
    (folder / "sslaudit.toml").write_text(text)
    return RunOptions(read_configuration(folder, None), folder, TrustAnchors({}), "a test", issuer=issuer)


def test_limits_and_timeouts_come_from_the_configuration(tmp_path: Path) -> None:
    configured = options(tmp_path, WRITTEN)
    assert configured.run_limits == RunLimits(
        max_cases=7,
        foreign="run-owner",
        excluded_hosts=("ssh://root@old*",),
        excluded_names=("*.legacy.example.com",),
        given_up=("old.example.com",),
        can_order=True,
        replaces_post_quantum=True,
        key_encryption="keep",
    )
    assert configured.passphrase_file == "/etc/nginx/passphrase"
    assert configured.run_limits.max_age == timedelta(minutes=30)
    assert (configured.concurrency.max_failures, configured.timeouts.proof_s, configured.timeouts.issuance_s) == (
        1,
        200.0,
        30.0,
    )


@pytest.mark.parametrize("proof_s", [1, 60, 200, 1000])
def test_confirmation_timeout_is_much_longer_than_verification_timeout(tmp_path: Path, proof_s: int) -> None:
    timeouts = options(tmp_path, f"[remediate]\nverify_timeout_s = {proof_s}").timeouts
    assert timeouts.confirmation_s >= max(300, 3 * proof_s)


def test_issuer_of_the_command_line_overrides_the_configuration(tmp_path: Path) -> None:
    assert not options(tmp_path, "").run_limits.can_order
    assert options(tmp_path, "", issuer="other").issuer_name == "other"
    assert options(tmp_path, WRITTEN, issuer="other").issuer_name == "other"


def test_key_type_of_the_chosen_issuer_limits_the_run(tmp_path: Path) -> None:
    issuer = '[issuer.own]\nkind = "command"\ncommand = ["/bin/issue"]\nkey = "ml-dsa-65"\n[remediate]\nissuer = "own"'
    assert run_limits(options(tmp_path, issuer)).key_type == "ml-dsa-65"
    assert run_limits(options(tmp_path, "")).key_type == "ecdsa-p256"
