"""Switches of a real haproxy, most of which fail: what is refused or restored, and that it serves all the time."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from remediate.deployment.progress import Progress
from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import FileSet, Version
from remediate.hosts.workdir import HostWorkdir
from remediate.installers import INSTALLERS
from tests.support.hosts.daemons import DAEMONS, Names
from tests.support.hosts.fleet import Watch, leaf_of
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.openssl_client import served, wait_until
from tests.support.hosts.pki import Authority, Credential
from tests.support.hosts.real_lab import serve
from tests.support.remediate.fake_host.session import ask
from tests.support.remediate.fake_host.switch import target

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NAMES = Names("web1.example.test", "www.example.test")
(DAEMON,) = (daemon for daemon in DAEMONS if daemon.name == "haproxy")
HAPROXY = INSTALLERS["haproxy"]
PEM = "/etc/ssl/haproxy/main.pem"
FILES = FileSet(HostWorkdir("web1", "c4f3", "test"), (target(PEM, "klc"),))


@pytest.fixture
def host(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - overlays skips or fails first
    with running_host("main", NAMES.main) as running:
        yield running


@pytest.fixture
def old(host: Host, authority: Authority) -> Credential:
    """Start haproxy; return the certificate that it serves."""
    old = authority.issue(NAMES.main)
    serve(host, DAEMON, NAMES, (old, authority.issue(NAMES.second)))
    return old


def progress_of(host: Host) -> Progress:
    return ask(REPLACE.status(FILES), host.execute)


def switched(host: Host, new: Credential, *, confirm_within_s: int = 0) -> Progress:
    """Return how a switch to a new certificate ended."""
    host.write(HostFile("/root/pending.pem", new.key, 0o600))
    version = Version(new.certificate, new.above, "/root/pending.pem")
    assert host.execute(REPLACE.stage(FILES, version)).ok
    assert host.execute(REPLACE.activate(FILES, [HAPROXY], version.name, confirm_within_s=confirm_within_s)).ok
    assert wait_until(lambda: progress_of(host).holder is None)
    return progress_of(host)


def is_served(host: Host, credential: Credential) -> bool:
    return served(host, 6443, NAMES.main)[:1] == (leaf_of(credential),)


def watch(host: Host) -> Watch:
    return Watch(host, *DAEMON.watched("127.0.0.1", NAMES.main).values())


def failed(watch: Watch) -> list[str]:
    """End a client that watches, and return the handshakes that failed."""
    seen: dict[str, list[str]] = json.loads(watch.end())
    assert all(seen.values())
    return [answer for answers in seen.values() for answer in answers if answer.startswith("failed")]


def test_combined_file_keeps_its_owner_and_mode(host: Host, authority: Authority, old: Credential) -> None:
    host.shell(f"chown haproxy:haproxy {PEM}; chmod 440 {PEM}")
    new = authority.issue(NAMES.main)
    progress = switched(host, new)
    assert progress.last.state == "confirmed", progress
    assert host.read(PEM) == new.key + new.certificate + new.above != old.key + old.fullchain
    assert host.shell(f"stat -c '%U %G %a' {PEM}").split() == ["haproxy", "haproxy", "440"]
    assert wait_until(lambda: is_served(host, new))


def test_broken_configuration_restores_the_old_file(host: Host, authority: Authority, old: Credential) -> None:
    host.shell("printf 'frontend broken\\n bind :1 ssl crt none.pem\\n' >>/etc/haproxy/haproxy.cfg")
    with watch(host) as client:
        progress = switched(host, authority.issue(NAMES.main))
        assert failed(client) == []
    assert progress.last.state == "returned", progress
    assert "haproxy: [ALERT]" in progress.last.detail, progress
    assert "none.pem" in progress.last.detail, progress
    assert host.read(PEM) == old.key + old.fullchain
    assert is_served(host, old)


def test_switch_that_no_controller_confirms_is_reverted(host: Host, authority: Authority, old: Credential) -> None:
    with watch(host) as client:
        progress = switched(host, authority.issue(NAMES.main), confirm_within_s=2)
        assert wait_until(lambda: is_served(host, old))
        assert failed(client) == []
    assert progress.last.state == "returned", progress
    assert host.read(PEM) == old.key + old.fullchain


def test_killed_switch_is_completed_by_the_next_start(host: Host, authority: Authority, old: Credential) -> None:
    new = authority.issue(NAMES.main)
    host.write(HostFile("/root/pending.pem", new.key, 0o600))
    version = Version(new.certificate, new.above, "/root/pending.pem")
    with watch(host) as client:
        assert host.execute(REPLACE.stage(FILES, version)).ok
        assert host.execute(REPLACE.activate(FILES, [HAPROXY], version.name, confirm_within_s=60)).ok
        host.shell("kill -KILL $(pgrep -f '^sh.* sslaudit-switch' | head -n 1)")
        assert wait_until(lambda: progress_of(host).holder is None)
        assert progress_of(host).last.state not in ("confirmed", "returned")
        progress = switched(host, new)
        assert progress.last.state == "confirmed", progress
        assert wait_until(lambda: is_served(host, new))
        assert failed(client) == []
    assert not is_served(host, old)


def test_reload_with_a_bad_file_fails_and_the_old_workers_serve_on(
    host: Host, authority: Authority, old: Credential
) -> None:
    host.write(HostFile(PEM, authority.issue(NAMES.main).key + old.fullchain, 0o600))
    checked = host.execute(HAPROXY.check_config("web1"))
    assert not checked.ok
    assert "private key" in checked.output
    with watch(host) as client:
        reloaded = host.execute(HAPROXY.reload("web1"))
        assert failed(client) == []
    assert not reloaded.ok
    assert "has started no new workers: the old ones still serve" in reloaded.output
    assert is_served(host, old)


def test_process_without_a_master_is_refused_before_a_file_changes(
    host: Host, authority: Authority, old: Credential
) -> None:
    host.shell("kill $(cat /run/haproxy.pid); while pidof haproxy; do sleep 0.05; done")
    host.shell("haproxy -D -f /etc/haproxy/haproxy.cfg")
    host.wait_for(6443)
    progress = switched(host, authority.issue(NAMES.main))
    assert progress.last.state == "refused", progress
    assert "has no master process (option -W or -Ws), so it cannot load files" in progress.last.detail
    assert host.read(PEM) == old.key + old.fullchain


def test_check_uses_the_variables_of_the_process(host: Host, old: Credential) -> None:
    host.shell("sed -i 's|bind :6443|bind \"${EDGE_AT}:6443\"|' /etc/haproxy/haproxy.cfg; kill $(cat /run/haproxy.pid)")
    host.shell("while pidof haproxy; do sleep 0.05; done")
    host.shell("EDGE_AT=127.0.0.1 haproxy -W -D -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid")
    host.wait_for(6443)
    assert is_served(host, old)
    assert host.execute(HAPROXY.check_config("web1")).ok
    host.shell("sed -i 's|EDGE_AT|OTHER_AT-nowhere.invalid|' /etc/haproxy/haproxy.cfg")
    assert "nowhere.invalid" in host.execute(HAPROXY.check_config("web1")).output
