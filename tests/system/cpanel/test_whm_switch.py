"""The switch on a panel's host with real servers: by its API and its restart scripts, and back again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from audit.observation import InstalledFile
from remediate.cpanel.panel import Panel
from remediate.deployment.cpanel import panel_deployment
from remediate.deployment.progress import Progress
from remediate.deployment.versions import FileSet, Version, file_targets
from remediate.hosts.workdir import ROOT, HostWorkdir
from remediate.installers import Installer
from tests.support.cpanel import layout
from tests.support.cpanel.server import Panel as Server
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.pki import Authority, Credential, new_authority
from tests.support.remediate.fake_host.session import ask

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NAME = "server.panel.test"
PANEL = Panel()
DEPLOYMENT = panel_deployment(PANEL)
FILES = {
    "cpanel": ("cpanel/cpanel.pem", "cpanel/cpanel.pem"),
    "dovecot": ("dovecot/dovecot.crt", "dovecot/dovecot.key"),
    "exim": ("exim/exim.crt", "exim/exim.key"),
    "ftp": ("ftp/pure-ftpd.pem", "ftp/pure-ftpd.pem"),
}
OURS = {"cpanel": "cpanel", "dovecot": "dovecot", "exim": "exim", "ftp": "pure-ftpd"}


@pytest.fixture(scope="module")
def server(overlays: None) -> Iterator[Server]:  # noqa: ARG001 - overlays skips or fails first
    with running_host("main", NAME) as host:
        running, old = Server(host), new_authority(datetime.now(UTC)).self_signed(NAME)
        running.install("admin@contact.test", dict.fromkeys(layout.SERVICES, old))
        yield running


def file_set(service: str) -> FileSet:
    certificate, key = (f"{layout.SSL}/{path}" for path in FILES[service])
    placed = file_targets((InstalledFile(certificate, "certificate"), InstalledFile(key, "key")), ROOT)
    return FileSet(HostWorkdir("server", "c4f3", "test"), placed)


def installer(service: str) -> Installer:
    found = PANEL.installer(OURS[service])
    assert found
    return found


def switched(host: Host, service: str, new: Credential, confirm_within_s: int) -> Progress:
    """Stage and start a switch, and return where it is once it waits or has ended."""
    one = file_set(service)
    host.write(HostFile("/root/pending.pem", new.key, 0o600))
    version = Version(new.certificate, new.above, "/root/pending.pem")
    done = host.execute(DEPLOYMENT.stage(one, version))
    assert done.ok, done
    done = host.execute(DEPLOYMENT.activate(one, [installer(service)], version.name, confirm_within_s=confirm_within_s))
    assert done.ok, done
    assert wait_until(lambda: at(host, service).last.state not in ("begun", "switching", "switched", "taken-up"))
    return at(host, service)


def at(host: Host, service: str) -> Progress:
    return ask(DEPLOYMENT.status(file_set(service)), host.execute)


@pytest.mark.parametrize("service", layout.SERVICES)
def test_new_certificate_is_on_all_ports_until_the_switch_is_reverted(
    server: Server, authority: Authority, service: str
) -> None:
    host, before = server.host, server.serials()
    progress = switched(host, service, authority.issue(NAME), 30)
    assert (progress.last.state, [name for name, _ in progress.gaps]) == ("waiting", [OURS[service]])
    now = server.serials()
    assert (len(now[service]), now[service] == before[service], None in now[service]) == (1, False, False)
    assert now | {service: before[service]} == before
    done = host.execute(DEPLOYMENT.revert(file_set(service), progress.last.version))
    assert done.ok
    assert at(host, service).last.state == "returned"
    assert server.serials() == before
    assert host.do("find", layout.SSL, "-type", "l") == ""


def test_configuration_test_of_the_daemon_is_run(server: Server, authority: Authority) -> None:
    host, before = server.host, server.serials()
    assert wait_until(lambda: at(host, "dovecot").holder is None)
    host.shell("cp /etc/dovecot/dovecot.conf /root/good; echo 'no_such_setting = 1' >>/etc/dovecot/dovecot.conf")
    switched(host, "dovecot", authority.issue(NAME), 30)
    assert wait_until(lambda: at(host, "dovecot").last.state == "returned"), at(host, "dovecot")
    host.shell("cp /root/good /etc/dovecot/dovecot.conf; /scripts/restartsrv_dovecot")
    assert "dovecot: " in at(host, "dovecot").last.detail
    assert "(as it did before the switch)" in at(host, "dovecot").last.detail
    assert server.serials() == before
