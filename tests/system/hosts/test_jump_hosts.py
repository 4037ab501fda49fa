"""Hosts behind a jump host: it is logged into once, and hosts that hang hold up no other one behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import AuditRun, audit, command, interrupt, trust
from tests.support.hosts.daemons import DAEMONS
from tests.support.hosts.host import Host, HostFile, connect, name_hosts, running_host
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, serve

pytestmark = pytest.mark.system

WEB1: Final = NAMES["main"].main
BASTION: Final = "bastion.example.test"
ALIASES: Final = tuple(f"alias{number}.example.test" for number in range(14))
HANGING: Final = tuple(f"hanging{number}.example.test" for number in range(12))
INNER: Final = "inner.example.test"
DEFAULT: Final = "MaxStartups=10:30:100"
_SILENT: Final = """
import socket
server = socket.create_server(("", 2222), backlog=500)
accepted = []
while True:
    accepted.append(server.accept())
"""
_ROUTES: Final = f"""Host hanging*
  Port 2222
Host {BASTION}
  {{keyword}} none
Host inner*
  ProxyJump {BASTION},{WEB1}
Host *
  {{way}}
"""
BY_JUMP: Final = f"ProxyJump {BASTION}"
BY_COMMAND: Final = f"ProxyCommand ssh -W %h:%p {BASTION}"


@dataclass(frozen=True, slots=True)
class Site:
    """The host that audits, the jump host, and a web server with many names that only the jump host can resolve."""

    near: Host
    bastion: Host
    web1: Host
    trust: str

    def audit(self, *names: str, way: str = BY_JUMP, at_once: int = 16) -> AuditRun:
        """Audit hosts by these names, reached in this way."""
        self.route(way)
        hosts = ",".join(f"ssh://root@{name}" for name in names)
        checks = (f"--audit-check={check}" for check in ("cert.expired", "svc.unreachable"))
        return audit(self.near, self.trust, f"--hosts={hosts}", f"--audit-logins={at_once}", *checks)

    def route(self, way: str) -> None:
        """Write the configuration of ssh: hosts are reached in this way."""
        routes = _ROUTES.format(keyword=way.partition(" ")[0], way=way)
        self.near.write(HostFile("/root/.ssh/config", routes + login.CLIENT.partition("\n")[2]))

    def logins(self) -> tuple[int, int]:
        """Return how many logins the jump host and the web server have had."""
        return _logins(self.bastion), _logins(self.web1)

    def left(self) -> list[str]:
        """Return what is left of a run: its processes on the host that audits."""
        return self.near.programs()


def _logins(host: Host) -> int:
    return host.read(login.LOG).count("Accepted publickey")


@pytest.fixture(scope="module")
def site(overlays: None, authority: Authority) -> Iterator[Site]:  # noqa: ARG001 - overlays skips or fails first
    nginx = next(daemon for daemon in DAEMONS if daemon.name == "nginx")
    with (
        running_host("main", "auditor.example.test") as near,
        running_host("main", BASTION) as bastion,
        running_host("main", WEB1) as web1,
    ):
        key, to_bastion, to_web1 = login.make_key(near), connect(near, bastion, 1), connect(bastion, web1, 2)
        names = dict.fromkeys((WEB1, NAMES["main"].second, INNER, *ALIASES), (to_web1,))
        name_hosts(near, {BASTION: (to_bastion,)})
        name_hosts(bastion, names | dict.fromkeys(HANGING, ("127.0.0.1",)))
        name_hosts(web1, names)
        login.admit(bastion, key, DEFAULT)
        login.admit(web1, key, DEFAULT)
        silent = bastion.start("python3", "-c", _SILENT)
        bastion.wait_for(2222)
        serve(web1, nginx, NAMES["main"], (authority.issue(WEB1), authority.issue(NAMES["main"].second)))
        near.write(HostFile("/root/.ssh/known_hosts", f"* {web1.read('/etc/ssh/ssh_host_ed25519_key.pub')}"))
        yield Site(near, bastion, web1, trust(near, authority.anchor))
        silent.kill()
        silent.communicate()


def test_jump_host_is_logged_into_once_for_all_hosts_behind_it(site: Site) -> None:
    before = site.logins()
    run = site.audit(*ALIASES)
    assert {endpoint.partition("/")[0] for endpoint in run.endpoints} == set(ALIASES), run.explain()
    assert (site.logins()[0] - before[0], site.logins()[1] - before[1]) == (1, len(ALIASES))
    assert site.left() == []


def test_host_behind_two_jump_hosts_costs_each_one_login(site: Site) -> None:
    before = site.logins()
    run = site.audit(INNER)
    assert {endpoint.partition("/")[0] for endpoint in run.endpoints} == {INNER}, run.explain()
    assert (site.logins()[0] - before[0], site.logins()[1] - before[1]) == (1, 2)  # the second one is the host itself


@pytest.mark.parametrize("way", [BY_JUMP, BY_COMMAND], ids=["ProxyJump", "ProxyCommand"])
def test_hanging_hosts_hold_up_no_other_host_behind_a_jump_host(site: Site, way: str) -> None:
    run = site.audit(*HANGING, WEB1, way=way)
    judged = [line["endpoint"].partition("/")[0] for line in run.lines if line["kind"] == "result"]
    assert {WEB1, *HANGING} <= set(judged), run.explain()
    assert judged.index(WEB1) < min(judged.index(name) for name in HANGING), run.explain()


def test_jump_host_that_refuses_the_login_is_tried_once(site: Site) -> None:
    site.bastion.shell("mv /etc/ssh/keys /etc/ssh/keys.away")
    before = site.bastion.read(login.LOG).count("Connection from")
    try:
        run = site.audit(*ALIASES, at_once=2)
    finally:
        site.bastion.shell("mv /etc/ssh/keys.away /etc/ssh/keys")
    for name in ALIASES:
        verdict, message = run.verdict(f"{name}/", "svc.unreachable")
        assert (verdict, f"root@{BASTION}: Permission denied" in message) == ("inconclusive", True), run.explain()
    assert site.bastion.read(login.LOG).count("Connection from") - before == 1


@pytest.mark.parametrize(("signal", "status"), [("INT", 2), ("KILL", -9)])
def test_signal_during_a_login_behind_a_jump_host_leaves_nothing(site: Site, signal: str, status: int) -> None:
    site.route(BY_JUMP)
    running = site.near.start(*command(site.trust, f"--hosts=ssh://root@{HANGING[0]},ssh://root@{HANGING[1]}"))
    try:
        assert wait_until(lambda: site.near.ps().count("ssh -W [hanging") == 2), site.near.ps()
        interrupt(site.near, signal)
        output, errors = running.communicate(timeout=60)
        assert running.returncode == status, output + errors
        assert wait_until(lambda: site.left() == []), site.left()
    finally:
        running.kill()
        running.communicate()
