"""Switches of services that a real systemd runs: the units that ran before are those that run afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from remediate.deployment.versions import FileSet
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import HostWorkdir
from remediate.installers.apache import INSTALLER as APACHE
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.pki import Authority, Credential
from tests.support.hosts.systemd_host import running_systemd_host
from tests.support.hosts.unit_switch import switched
from tests.support.remediate.fake_host.session import ask
from tests.support.remediate.fake_host.switch import target

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NAME = "web1.example.test"
INSTALLATION = FileSet(
    HostWorkdir("web1", "c4f3", "test"), (target("/etc/tls/main.crt", "lc"), target("/etc/tls/main.key", "k"))
)
SITE = """Listen {port}
<VirtualHost *:{port}>
  ServerName web1.example.test
  SSLEngine on
  SSLCertificateFile {file}.crt
  SSLCertificateKeyFile {file}.key
</VirtualHost>
"""
PREPARE = """systemctl disable --now nginx dovecot apache2
a2enmod -q ssl
rm -f /etc/apache2/ports.conf /etc/apache2/sites-enabled/*
touch /etc/apache2/ports.conf
cp -a /etc/apache2 /etc/apache2-x
echo Listen 8080 >/etc/apache2/ports.conf
mkdir -p /var/log/apache2-x
"""
# systemd may not notice in a container that the last process of a unit without a main process has ended.
SHORT_STOP = "[Service]\nTimeoutStopSec=5\n"


@pytest.fixture(scope="module", params=RELEASES)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """Start a host with a second instance of apache, whose configuration is in /etc/apache2-x."""
    with running_systemd_host(request.param, NAME) as host:
        host.shell(PREPARE)
        host.write(
            HostFile("/etc/apache2-x/conf-enabled/tls.conf", SITE.format(port=8444, file="/etc/tls/main")),
            HostFile("/etc/systemd/system/apache2@.service.d/stop.conf", SHORT_STOP),
        )
        host.shell("systemctl daemon-reload")
        yield host


@pytest.fixture
def old(host: Host, authority: Authority) -> Credential:
    """Return the certificate that is configured, and start the second instance alone with it."""
    old = authority.issue(NAME)
    host.write(
        HostFile("/etc/tls/main.crt", old.certificate + old.above), HostFile("/etc/tls/main.key", old.key, 0o600)
    )
    host.shell("rm -f /etc/apache2-x/conf-enabled/bad.conf; systemctl stop apache2; systemctl restart apache2@x")
    host.wait_for(8444)
    return old


def end_at_reload(host: Host, authority: Authority, old: Credential) -> None:
    """Configure what passes apache's own test and ends it at its reload, and its files of before when it starts."""
    other = authority.issue(NAME)
    host.write(
        HostFile("/etc/other/bad.crt", other.certificate),
        HostFile("/etc/other/bad.key", old.key, 0o600),
        HostFile("/etc/apache2-x/conf-enabled/bad.conf", SITE.format(port=9444, file="/etc/other/bad")),
        HostFile(
            "/etc/systemd/system/apache2@x.service.d/heal.conf",
            "[Service]\nExecStopPost=/bin/rm -f /etc/apache2-x/conf-enabled/bad.conf\n",
        ),
    )
    host.shell("systemctl daemon-reload")


@pytest.mark.parametrize("others", ["", "apache2"])
def test_unit_that_ended_is_started_again_and_no_other(
    host: Host, authority: Authority, old: Credential, others: str
) -> None:
    """Whether another unit of the same program runs beside it or not."""
    if others:
        host.shell(f"systemctl start {others}")
    end_at_reload(host, authority, old)
    progress = switched(host, INSTALLATION, authority.issue(NAME))
    assert progress.last.state == "returned", progress
    assert host.run("systemctl", "is-active", "apache2@x", "apache2").stdout.split() == [
        "active",
        "active" if others else "inactive",
    ]
    host.wait_for(8444)
    assert host.read("/etc/tls/main.key") == old.key


def test_switch_goes_on_if_all_processes_of_its_login_are_killed(
    host: Host, authority: Authority, old: Credential
) -> None:
    """KillUserProcesses=yes of logind kills the scope of a login when it ends."""

    def login(command: Command) -> CommandResult:
        scope = ("systemd-run", "--scope", "--quiet", "--unit=login")
        done = host.run(*scope, "sh", "-c", command.script, "sh", *command.arguments)
        host.run("systemctl", "kill", "--signal=KILL", "login.scope")
        return CommandResult(done.returncode, done.stdout, done.stderr)

    new = authority.issue(NAME)
    progress = switched(host, INSTALLATION, new, execute=login)
    assert progress.last.state == "confirmed", progress
    assert host.read("/etc/tls/main.key") == new.key != old.key
    scopes = "systemctl list-units --all --plain --no-legend --type=scope | grep -c 'repair by sslaudit' || :"
    assert wait_until(lambda: host.shell(scopes) == "0\n")


def test_service_is_reloaded_by_the_command_of_its_unit(host: Host, authority: Authority, old: Credential) -> None:
    assert old
    own = "[Service]\nExecReload=\nExecReload=/bin/touch /run/reloaded\nExecReload=/usr/sbin/apachectl graceful\n"
    host.write(HostFile("/etc/systemd/system/apache2@x.service.d/own.conf", own))
    host.shell("systemctl daemon-reload")
    new = authority.issue(NAME)
    assert switched(host, INSTALLATION, new).last.state == "confirmed"
    assert host.run("test", "-e", "/run/reloaded").returncode == 0
    host.shell("rm /etc/systemd/system/apache2@x.service.d/own.conf; systemctl daemon-reload")


def test_masked_unit_that_runs_is_found(host: Host, old: Credential) -> None:
    assert old
    assert ask(APACHE.masked_units(NAME), host.execute) == ()
    host.shell("systemctl mask apache2@x")
    masked = ask(APACHE.masked_units(NAME), host.execute)
    host.shell("systemctl unmask apache2@x")
    assert masked == ("apache2@x.service",)
