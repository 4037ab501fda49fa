"""Tests of the hosts on which the first address of a name decides: those of a panel, with the policy of the panel."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.config import read_configuration
from audit.endpoint import Endpoint
from audit.host.discovery import Discovery
from audit.observation import HostView, Observation
from audit.policy import load_profile
from audit.x509.path.trust_store import TrustAnchors
from remediate.model.options import RunOptions
from remediate.state.journal import open_journal
from remediate.wiring.run_context import run_context


def found(label: str, *, is_cpanel: bool) -> Discovery:
    whole = Endpoint("", "", 0, None, label, f"ssh://{label}")
    view = HostView(label, f"ssh://{label}", fqdn=f"{label}.example.com", is_cpanel=is_cpanel)
    return Discovery(Observation(whole, datetime.now(UTC), server=view))


@pytest.mark.parametrize(
    ("policies", "hosts"),
    [((), {"web1"}), (("cpanel",), {"web1"}), (("webpki", "cpanel"), {"web1"}), (("webpki",), set())],
)
def test_first_address_decides_on_panel_hosts_with_the_panel_policy(
    tmp_path: Path, policies: tuple[str, ...], hosts: set[str]
) -> None:
    options = RunOptions(
        read_configuration(tmp_path, None),
        tmp_path,
        TrustAnchors({}),
        "a test",
        profiles=tuple(map(load_profile, policies)),
    )
    with open_journal(tmp_path / "state") as journal:
        run = run_context(options, journal, (found("web1", is_cpanel=True), found("web2", is_cpanel=False)))
    assert {label for label, host in run.hosts.items() if host.first_address_only} == hosts
    assert run.host("web2").access_logs_of("a.test") == ()
    assert "?/etc/apache2/logs/access_log" in run.host("web1").access_logs_of("a.test")
