"""Testinfra's `host` beside `endpoint`: the host of that endpoint, never a cross product."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from audit.observation import HostView, Observation
from pytest_sslaudit.remediation.hooks import access_options
from pytest_sslaudit.settings import Settings
from remediate.cli.main import access_of, parser
from tests.support.evidence import NOW, A, B, keep, unreachable

LOCAL = HostView("local", "local://", "web1.example")


def found_on_host() -> list[Observation]:
    """Two endpoints of this machine, as if it had been logged into."""
    endpoints = [replace(endpoint, host="local", hostspec="local://") for endpoint in (A, B)]
    return [Observation(endpoint, NOW, server=LOCAL) for endpoint in endpoints]


PAIRED = """
def test_pair(endpoint, host, server):
    assert host.run("echo %s", endpoint.name).stdout.strip() == endpoint.name
    assert server.label == "local"
"""


def test_host_fixture_is_the_host_of_the_endpoint(pytester: pytest.Pytester) -> None:
    evidence = keep(pytester.path / "evidence", [*found_on_host(), unreachable(A)])
    pytester.makepyfile(test_pair=PAIRED)
    result = pytester.runpytest(
        "test_pair.py", "--hosts=local://,ssh://unknown.invalid", "--audit-from-evidence", str(evidence)
    )
    result.assert_outcomes(passed=2)


OPTIONS = """
def test_options(endpoint, host):
    backend = host.backend
    assert (backend.NAME, backend.sudo, backend.sudo_user) == ("ssh", True, "tls")
    assert (backend.ssh_config, backend.ssh_identity_file) == ("ours.conf", "ours.key")
"""


def test_host_fixture_has_the_options_of_testinfra(pytester: pytest.Pytester) -> None:
    endpoint = replace(A, host="web1", hostspec="ssh://web1.invalid")
    seen = Observation(endpoint, NOW, server=HostView("web1", "ssh://web1.invalid", "web1.example"))
    evidence = keep(pytester.path / "evidence", [seen])
    pytester.makepyfile(test_options=OPTIONS)
    result = pytester.runpytest(
        "test_options.py", "--hosts=ssh://web1.invalid", "--audit-from-evidence", str(evidence),
        "--sudo", "--sudo-user=tls", "--ssh-config=ours.conf", "--ssh-identity-file=ours.key",
    )  # fmt: skip
    result.assert_outcomes(passed=1)


def test_continued_run_logs_in_as_the_run_did(tmp_path: Path) -> None:
    given = {
        "connection": "ssh", "ssh_config": str(tmp_path / "c"), "ssh_identity_file": str(tmp_path / "i"),
        "ssh_extra_args": "-4 -q", "sudo": True, "sudo_user": "tls", "ansible_inventory": str(tmp_path / "a"),
        "force_ansible": True,
    }  # fmt: skip
    settings = Mock(spec=Settings, hosts=("ssh://u:secret@web1",), testinfra=given, issuer=None, trust=("system",))
    options = access_options(settings)
    continued = access_of(parser("a test").parse_args(["resume", *options]))
    assert (continued.testinfra, "secret" in " ".join(options)) == (given, False)
    assert access_options(Mock(spec=Settings, hosts=(), testinfra={}, issuer="store", trust=())) == (
        "--issuer",
        "store",
    )


def test_test_with_host_and_no_login_is_a_usage_error(pytester: pytest.Pytester) -> None:
    evidence = keep(pytester.path / "evidence", [unreachable(A)])
    pytester.makepyfile(test_pair=PAIRED)
    result = pytester.runpytest("test_pair.py", "--audit-from-evidence", str(evidence))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "uses 'host' together with 'endpoint'" in result.stderr.str()


def test_test_with_host_alone_uses_testinfra_hosts(pytester: pytest.Pytester) -> None:
    evidence = keep(pytester.path / "evidence", [unreachable(A), unreachable(B)])
    pytester.makepyfile(test_alone="def test_alone(host): assert host.run('true').rc == 0")
    result = pytester.runpytest("test_alone.py", "--hosts=local://", "--audit-from-evidence", str(evidence))
    result.assert_outcomes(passed=1)
