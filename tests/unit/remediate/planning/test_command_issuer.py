"""Tests of an issuer whose CA fetches no file: findings about its validation do not make a case wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config import read_configuration
from audit.x509.path.trust_store import TrustAnchors
from remediate.model.options import RunLimits, RunOptions
from remediate.wiring.sections import run_limits
from tests.support.remediate.result_rows import found, planned, seen

WEB = "web1/https://www.example.com:443"
NO_FILE = RunLimits(validates_by_file=False)


@pytest.mark.parametrize("check", ["dns.unresolvable", "dcv.http-unreachable", "dcv.firewall"])
def test_finding_about_validation_delays_only_a_repair_with_a_file(check: str) -> None:
    rows = (seen(WEB), found(WEB, "cert.expired"), found(WEB, check))
    assert [len(planned(*rows, run_limits=limits).waiting) for limits in (RunLimits(), NO_FILE)] == [1, 0]
    (case,) = planned(*rows, run_limits=NO_FILE).cases
    assert case.validated_on == ()


def test_another_host_at_the_address_makes_every_repair_wait() -> None:
    rows = (seen(WEB), found(WEB, "cert.expired"), found(WEB, "dns.not-this-host"))
    assert len(planned(*rows, run_limits=NO_FILE).waiting) == 1


STORE = 'base_url = "https://store.example.com"\ntoken = { env = "X" }\n'


@pytest.mark.parametrize(
    ("kind", "keys", "expected"),
    [("command", 'command = ["/bin/true"]\n', False), ("store", STORE, True), ("cpanel", "", True)],
)
def test_kind_of_the_issuer_decides_whether_a_file_is_needed(
    tmp_path: Path, kind: str, keys: str, *, expected: bool
) -> None:
    text = f'[remediate]\nissuer = "own"\n[issuer.own]\nkind = "{kind}"\n{keys}'
    (tmp_path / "sslaudit.toml").write_text(text)
    options = RunOptions(read_configuration(tmp_path, None), tmp_path, TrustAnchors({}), "a test")
    assert run_limits(options).validates_by_file is expected


def test_without_an_issuer_a_file_is_assumed_to_be_needed(tmp_path: Path) -> None:
    options = RunOptions(read_configuration(tmp_path, None), tmp_path, TrustAnchors({}), "a test")
    assert run_limits(options).validates_by_file
