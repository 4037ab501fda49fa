"""Switches on a host with a real systemd: what a sandboxed unit sees counts, and one that stays down is broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from remediate.deployment.versions import FileSet
from remediate.hosts.workdir import HostWorkdir
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.pki import Authority, Credential
from tests.support.hosts.systemd_host import running_systemd_host
from tests.support.hosts.unit_switch import switched
from tests.support.remediate.fake_host.switch import target

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NAME = "web1.example.test"
INSTALLATION = FileSet(
    HostWorkdir("web1", "c4f3", "test"), (target("/etc/tls/main.crt", "lc"), target("/etc/tls/main.key", "k"))
)
SITE = f"""Listen 9443
<VirtualHost *:9443>
  ServerName {NAME}
  SSLEngine on
  SSLCertificateFile /etc/tls/main.crt
  SSLCertificateKeyFile /etc/tls/main.key
</VirtualHost>
"""
CONFINED = "[Service]\nTemporaryFileSystem=/var/lib\nPrivateTmp=yes\nProtectSystem=full\n"
OTHER_FILES = "[Service]\nTemporaryFileSystem=/etc/tls\nBindReadOnlyPaths=/etc/other:/etc/tls\n"


@pytest.fixture(scope="module", params=RELEASES)
def host(request: pytest.FixtureRequest, overlays: None) -> Iterator[Host]:  # noqa: ARG001 - overlays skips or fails first
    with running_systemd_host(request.param, NAME) as host:
        host.write(HostFile("/etc/apache2/conf-enabled/tls.conf", SITE))
        host.shell("systemctl stop nginx dovecot apache2 || :; a2enmod -q ssl")
        yield host


@pytest.fixture
def old(host: Host, authority: Authority) -> Credential:
    """Return the certificate that is configured."""
    old = authority.issue(NAME)
    for folder in ("/etc/tls", "/etc/other"):
        certificate = HostFile(f"{folder}/main.crt", old.certificate + old.above)
        host.write(certificate, HostFile(f"{folder}/main.key", old.key, 0o600))
    return old


def start_apache(host: Host, drop_in: str) -> None:
    """Start apache as a unit with these settings."""
    host.write(HostFile("/etc/systemd/system/apache2.service.d/test.conf", drop_in))
    host.shell("systemctl daemon-reload; systemctl restart apache2")
    host.wait_for(9443)


def test_confined_apache_is_switched(host: Host, authority: Authority, old: Credential) -> None:
    start_apache(host, CONFINED)
    new = authority.issue(NAME)
    progress = switched(host, INSTALLATION, new)
    assert progress.last.state == "confirmed", progress
    assert host.read("/etc/tls/main.key") == new.key != old.key
    assert host.do("systemctl", "is-active", "apache2").strip() == "active"


def test_apache_that_sees_other_files_is_not_switched(host: Host, authority: Authority, old: Credential) -> None:
    start_apache(host, OTHER_FILES)
    progress = switched(host, INSTALLATION, authority.issue(NAME))
    assert progress.last.state == "refused", progress
    assert "sees another file, or none, as /etc/tls/main.crt" in progress.last.detail
    assert host.read("/etc/tls/main.key") == old.key


def test_apache_that_does_not_come_up_with_its_old_files_is_broken(
    host: Host, authority: Authority, old: Credential
) -> None:
    start_apache(host, CONFINED)
    other = authority.issue(NAME)  # apache's own test passes a key of another certificate, and its reload ends it
    host.write(HostFile("/etc/other/bad.crt", other.certificate), HostFile("/etc/other/bad.key", old.key, 0o600))
    bad = SITE.replace("9443", "9444").replace("/etc/tls/main", "/etc/other/bad")
    host.write(HostFile("/etc/apache2/conf-enabled/bad.conf", bad))
    progress = switched(host, INSTALLATION, authority.issue(NAME))
    host.shell("rm /etc/apache2/conf-enabled/bad.conf")
    assert progress.last.state == "broken", progress
    assert "with the previous files restored: apache: " in progress.last.detail
    assert host.read("/etc/tls/main.key") == old.key
