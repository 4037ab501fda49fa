"""One login per host in a run by a real sshd, none of which it drops, and nothing is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import TEMPORARY, AuditRun, audit, command, interrupt, trust
from tests.support.hosts.daemons import DAEMONS
from tests.support.hosts.host import Host, HostFile, connect, name_hosts, running_host
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, serve

pytestmark = pytest.mark.system

WEB1: Final = NAMES["main"].main
ALIASES: Final = tuple(f"alias{number}.example.test" for number in range(14))
LIMITED: Final = "/var/log/limited.log"
BEGUN: Final = "/run/begun"
_OWN_TEST: Final = """
def test_host(host):
    assert host.user().name == "root"

def test_host_of_endpoint(endpoint, host):
    assert host.file("/etc/passwd").exists
"""
_LEFT: Final = f"ls -d {TEMPORARY}/sslaudit-* 2>/dev/null || :"


@dataclass(frozen=True, slots=True)
class Pair:
    """The host that audits, the one with a web server and two sshd, and the argument that names the CA."""

    near: Host
    web1: Host
    trust: str

    def audit(self, *arguments: str) -> AuditRun:
        return audit(self.near, self.trust, *arguments)

    def left(self) -> list[str]:
        """Return what is left of a run: processes, directories of control sockets and temporary directories."""
        processes = self.near.programs()
        return [*processes, *self.near.shell(_LEFT).split()]


@pytest.fixture(scope="module")
def pair(overlays: None, authority: Authority) -> Iterator[Pair]:  # noqa: ARG001 - overlays skips or fails first
    nginx = next(daemon for daemon in DAEMONS if daemon.name == "nginx")
    with running_host("main", "auditor.example.test") as near, running_host("main", WEB1) as web1:
        key, address = login.make_key(near), connect(near, web1, 1)
        name_hosts(web1, {WEB1: (address,)})
        name_hosts(near, dict.fromkeys((WEB1, NAMES["main"].second, *ALIASES), (address,)))
        login.admit(web1, key)
        web1.shell(f"/usr/sbin/sshd -p 2222 -o MaxStartups=10:30:100 -E {LIMITED}")
        web1.shell(f"/usr/sbin/sshd -p 2223 -o ForceCommand='echo >{BEGUN}; sleep 600'")
        web1.wait_for(2222)
        web1.wait_for(2223)
        serve(web1, nginx, NAMES["main"], (authority.issue(WEB1), authority.issue(NAMES["main"].second)))
        host_key = web1.read("/etc/ssh/ssh_host_ed25519_key.pub")
        near.write(HostFile("/root/.ssh/known_hosts", f"* {host_key}[*]:2222 {host_key}[*]:2223 {host_key}"))
        yield Pair(near, web1, trust(near, authority.anchor))


def logins(host: Host, log: str = login.LOG) -> int:
    return host.read(log).count("Accepted publickey")


def test_run_with_own_tests_logs_into_a_host_once(pair: Pair) -> None:
    pair.near.write(HostFile("/run/audit/test_own.py", _OWN_TEST))
    logins_before, sessions_before = logins(pair.web1), login.sessions(pair.web1)
    run = pair.audit(f"--hosts=ssh://root@{WEB1}", "test_own.py")
    assert "test_host_of_endpoint" not in run.output, run.explain()
    assert f"{WEB1}/https://{WEB1}:443" in run.endpoints
    assert logins(pair.web1) - logins_before == 1
    assert login.sessions(pair.web1) - sessions_before > 3
    assert pair.left() == []


def test_sshd_with_its_default_limit_drops_no_name_of_it(pair: Pair) -> None:
    run = pair.audit("--hosts=" + ",".join(f"ssh://root@{name}:2222" for name in ALIASES), "--audit-check=cert.expired")
    found = {endpoint.partition("/")[0] for endpoint in run.endpoints}
    assert found == set(ALIASES), run.explain()
    assert logins(pair.web1, LIMITED) == len(ALIASES)
    assert pair.left() == []


@pytest.mark.parametrize(("signal", "status"), [("INT", 2), ("TERM", 2), ("KILL", -9)])
def test_run_that_a_signal_ends_during_a_command_leaves_nothing(pair: Pair, signal: str, status: int) -> None:
    pair.web1.shell(f"rm -f {BEGUN}")
    hosts = f"--hosts=ssh://root@{WEB1}:2223,ssh://root@{WEB1}"
    running = pair.near.start(*command(pair.trust, hosts, "--audit-host-timeout=600"))
    try:
        assert wait_until(lambda: pair.web1.run("test", "-e", BEGUN).returncode == 0), pair.near.ps()
        interrupt(pair.near, signal)
        output, errors = running.communicate(timeout=60)
        assert running.returncode == status, output + errors
        assert wait_until(lambda: pair.left() == []), pair.left()
    finally:
        running.kill()
        running.communicate()
