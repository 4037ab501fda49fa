"""haproxy as the unit of its package, on Debian 12 and 13: audited, and switched to a new certificate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import FileSet, Version
from remediate.hosts.workdir import HostWorkdir
from remediate.installers import INSTALLERS
from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import audit, trust
from tests.support.hosts.fleet import Watch, leaf_of
from tests.support.hosts.host import Host, HostFile, connect, name_hosts, running_host
from tests.support.hosts.openssl_client import served, wait_until
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.pki import Authority, Credential
from tests.support.hosts.systemd_host import running_systemd_host
from tests.support.remediate.fake_host.session import ask
from tests.support.remediate.fake_host.switch import target

pytestmark = pytest.mark.system

WEB1: Final = "web1.example.test"
STORED: Final = "stored.example.test"
PEM: Final = "/etc/haproxy/main.pem"
FILES: Final = FileSet(HostWorkdir("web1", "c4f3", "test"), (target(PEM, "klc"),))
STORE: Final = """crt-store web
  crt-base /etc/haproxy
  key-base /etc/haproxy
  load crt stored.crt key stored.private alias stored
"""
FRONTEND: Final = f"""frontend web
  mode http
  bind "${{EDGE_AT}}:6443" ssl crt {PEM} %s
  http-request return status 200
"""


@dataclass(frozen=True, slots=True)
class Edge:
    """A host with haproxy, the host that audits it, and what haproxy serves at first."""

    auditor: Host
    host: Host
    trust: str
    old: Credential
    has_stores: bool


@pytest.fixture(scope="module", params=RELEASES)
def edge(request: pytest.FixtureRequest, overlays: None, authority: Authority) -> Iterator[Edge]:  # noqa: ARG001 - overlays skips or fails first
    old, stored, has_stores = authority.issue(WEB1), authority.issue(STORED), request.param != "debian12"
    with running_host("main", "auditor.example.test") as auditor, running_systemd_host(request.param, WEB1) as host:
        public_key = login.make_key(auditor)
        names = {WEB1: (connect(auditor, host, 1),)}
        name_hosts(auditor, {"auditor.example.test": ("127.0.1.1",), **names, STORED: names[WEB1]})
        login.admit(host, public_key)
        login.know(auditor, host)
        frontend = FRONTEND % ("crt @web/stored" if has_stores else "")
        host.write(
            HostFile(PEM, old.key + old.fullchain, 0o600),
            HostFile("/etc/haproxy/stored.crt", stored.fullchain),
            HostFile("/etc/haproxy/stored.private", stored.key, 0o600),
            HostFile("/etc/default/haproxy", "EDGE_AT=*\n"),
            HostFile("/root/more.cfg", (STORE if has_stores else "") + frontend),
        )
        host.shell("cat /root/more.cfg >>/etc/haproxy/haproxy.cfg; systemctl restart haproxy")
        host.wait_for(6443)
        yield Edge(auditor, host, trust(auditor, authority.anchor), old, has_stores)


def test_unit_is_audited_with_its_variables_and_stores(edge: Edge) -> None:
    seen = audit(edge.auditor, edge.trust, f"--hosts=ssh://root@{WEB1}")
    expected = {f"{WEB1}/https://{WEB1}:6443": [PEM, PEM]}
    if edge.has_stores:
        expected[f"{WEB1}/https://{STORED}:6443"] = ["/etc/haproxy/stored.crt", "/etc/haproxy/stored.private"]
    observed = {endpoint: seen.observed(endpoint) for endpoint in seen.endpoints}
    found = {
        endpoint: [file["path"] for file in line["installed"]]
        for endpoint, line in observed.items()
        if line["service"] == "haproxy"
    }
    assert found == expected, seen.explain()
    for endpoint in expected:
        for check in ("svc.disk-vs-wire", "svc.config-missing-file", "key.mismatch"):
            assert seen.verdict(endpoint, check)[0] == "pass", seen.explain()


def test_unit_is_switched_without_a_failed_handshake(edge: Edge, authority: Authority) -> None:
    new, host = authority.issue(WEB1), edge.host
    main_pid = host.do("systemctl", "show", "-p", "MainPID", "haproxy")
    host.write(HostFile("/root/pending.pem", new.key, 0o600))
    version = Version(new.certificate, new.above, "/root/pending.pem")
    with Watch(edge.auditor, f"{WEB1}:6443:{WEB1}") as client:
        assert host.execute(REPLACE.stage(FILES, version)).ok
        started = REPLACE.activate(FILES, [INSTALLERS["haproxy"]], version.name, confirm_within_s=0)
        assert host.execute(started).ok
        assert wait_until(lambda: ask(REPLACE.status(FILES), host.execute).holder is None)
        progress = ask(REPLACE.status(FILES), host.execute)
        assert progress.last.state == "confirmed", progress
        assert wait_until(lambda: served(host, 6443, WEB1)[:1] == (leaf_of(new),))
        assert client.saw_no_gap(is_replaced=True)
    assert host.do("systemctl", "show", "-p", "MainPID", "haproxy") == main_pid
