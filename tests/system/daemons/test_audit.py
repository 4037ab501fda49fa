"""An audit of sound hosts over ssh: every service is found with its files, and everything passes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.daemons import SCHEMES, Daemon
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, Lab, daemons_of, running_lab, sound

pytestmark = pytest.mark.system

KEPT: Final = {"audit-evidence": "evidence", "html": "report.html", "junitxml": "junit.xml"}
"""Everything that a run can leave behind, below /run/audit."""


@pytest.fixture(scope="module")
def lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    with running_lab(authority, sound(authority), *NAMES) as running:
        yield running


@pytest.fixture(scope="module")
def run(lab: Lab) -> AuditRun:
    names = ",".join(f"ssh://root@{names.main}" for names in NAMES.values())
    return lab.audit(f"--hosts={names}", *(f"--{option}=/run/audit/{kept}" for option, kept in KEPT.items()))


def endpoints_of(overlay: str, daemon: Daemon) -> set[str]:
    names = NAMES[overlay]
    ports = (*daemon.ports, *(port for port, _ in daemon.starttls))
    served = (names.main, names.second) if daemon.has_second else (names.main,)
    return {f"{names.main}/{SCHEMES[port]}://{name}:{port}" for port in ports for name in served}


@pytest.mark.parametrize("overlay", NAMES)
def test_every_endpoint_of_every_service_is_found(run: AuditRun, overlay: str) -> None:
    expected = {endpoint for daemon in daemons_of(overlay) for endpoint in endpoints_of(overlay, daemon)}
    assert {one for one in run.endpoints if one.startswith(NAMES[overlay].main)} == expected, run.explain()


@pytest.mark.parametrize("overlay", NAMES)
def test_every_endpoint_has_its_service_and_files(run: AuditRun, overlay: str) -> None:
    for daemon in daemons_of(overlay):
        for endpoint in endpoints_of(overlay, daemon):
            seen = run.observed(endpoint)
            kept = {(file["kind"], file["path"]) for file in seen["installed"]}
            assert seen["service"] == daemon.service
            assert daemon.kept(is_second=f"//{NAMES[overlay].second}:" in endpoint) <= kept, endpoint


def test_audit_of_faultless_hosts_has_no_finding(run: AuditRun) -> None:
    assert run.with_verdict("fail", "inconclusive", "error") == set(), run.explain()
    assert run.status == 0


@pytest.mark.parametrize("overlay", NAMES)
def test_audit_runs_at_most_four_commands_on_a_host(run: AuditRun, lab: Lab, overlay: str) -> None:
    assert run.status == 0, run.explain()
    assert 1 <= login.sessions(lab.hosts[overlay]) <= 4


def test_junit_report_of_passes_has_less_than_10_kb_an_endpoint(run: AuditRun, lab: Lab) -> None:
    assert run.status == 0, run.explain()
    assert len(lab.auditor.read("/run/audit/junit.xml")) < 10_000 * len(run.endpoints)


def test_no_private_key_leaves_its_host(run: AuditRun, lab: Lab) -> None:
    kept = run.output + lab.auditor.shell("find /run/audit -type f -exec cat {} +")
    assert "imaps://" in kept
    for host in lab.hosts.values():
        files = host.shell("find /etc/ssl -name '*.key' -o -path '*/private/*.pem' -o -path '*/haproxy/*' | xargs cat")
        keys = [pem.splitlines()[1] for pem in files.split("-----BEGIN PRIVATE KEY")[1:]]
        assert keys
        assert [key for key in keys if key in kept] == []
