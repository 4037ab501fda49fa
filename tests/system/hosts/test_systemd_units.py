"""Processes that a real systemd started: which of them root inspects, on a Debian release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import AuditRun, audit, trust
from tests.support.hosts.host import Host, HostFile, connect, name_hosts
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.pki import Authority
from tests.support.hosts.systemd_host import running_systemd_host

pytestmark = pytest.mark.system

WEB1 = "web1.example.test"
NGINX = """pid {run}/nginx.pid;
error_log {log};
events {{}}
http {{
  access_log off;
  client_body_temp_path {run}/body; proxy_temp_path {run}/proxy; fastcgi_temp_path {run}/fastcgi;
  uwsgi_temp_path {run}/uwsgi; scgi_temp_path {run}/scgi;
  server {{
    listen {port} ssl; server_name web1.example.test;
    ssl_certificate {file}.crt; ssl_certificate_key {file}.key;
  }}
}}
"""
UNIT = """[Service]
User=www-data
Group=www-data
RuntimeDirectory=web
ExecStart=/usr/sbin/nginx -c /etc/nginx/web.conf -g 'daemon off;'
"""
APACHE = """<VirtualHost *:9443>
  ServerName web1.example.test
  SSLEngine on
  SSLCertificateFile /etc/ssl/apache/main.crt
  SSLCertificateKeyFile /etc/ssl/apache/main.key
</VirtualHost>
"""
ALICES_NGINX = """
loginctl enable-linger alice
uid=$(id -u alice)
until [ -S /run/user/$uid/systemd/private ]; do sleep 0.1; done
setpriv --reuid alice --regid alice --clear-groups env XDG_RUNTIME_DIR=/run/user/$uid \
  systemd-run --user --quiet --unit=web /usr/sbin/nginx -c /home/alice/nginx.conf -g 'daemon off;'
"""


@dataclass(frozen=True, slots=True)
class Audited:
    """A host with three web servers, and what one audit as root said of it."""

    host: Host
    run: AuditRun


@pytest.fixture(scope="module", params=RELEASES)
def audited(request: pytest.FixtureRequest, auditor: Host, authority: Authority) -> Iterator[Audited]:
    """Audit a host that runs a unit with a user of its own, apache as its package starts it, and a user's own nginx."""
    number = 21 + list(RELEASES).index(request.param)
    with running_systemd_host(request.param, WEB1) as host:
        address = connect(auditor, host, number)
        for one in (auditor, host):
            name_hosts(one, {WEB1: (address,)})
        _install(host, authority)
        login.admit(host, login.make_key(auditor) if number == 21 else auditor.read("/root/.ssh/id.pub"))
        login.know(auditor, host)
        yield Audited(host, audit(auditor, f"--hosts=ssh://root@{WEB1}", trust(auditor, authority.anchor)))


def _install(host: Host, authority: Authority) -> None:
    good = authority.issue(WEB1)
    host.shell("useradd --create-home --shell /bin/sh alice")
    host.write(
        *good.at("/etc/ssl/web/main", group="www-data", mode=0o640),
        *good.at("/etc/ssl/apache/main"),
        HostFile(
            "/etc/nginx/web.conf", NGINX.format(run="/run/web", log="stderr", port=8443, file="/etc/ssl/web/main")
        ),
        HostFile("/etc/systemd/system/web.service", UNIT),
        HostFile("/etc/apache2/ports.conf", "Listen 9443\n"),
        HostFile("/etc/apache2/sites-enabled/000-default.conf", APACHE),
    )
    home, names = "/home/alice", NGINX
    host.write(
        *(HostFile(f.path, f.content, f.mode, "alice", "alice") for f in authority.issue(WEB1).at(f"{home}/main")),
        HostFile(
            f"{home}/nginx.conf",
            names.format(run=f"{home}/run", log=f"{home}/error.log", port=7443, file=f"{home}/main"),
            owner="alice",
            group="alice",
        ),
    )
    host.shell(
        f"install -d -o alice -g alice {home}/run; a2enmod -q ssl >/dev/null;"
        f"systemctl daemon-reload; systemctl start web apache2; {ALICES_NGINX}"
    )
    host.wait_for(8443, 9443, 7443)
    # From now on root would create this file if it tested the user's configuration.
    host.shell(f"echo 'error_log {home}/as_root.log;' >> {home}/nginx.conf")


@pytest.mark.parametrize(("port", "service"), [(8443, "nginx"), (9443, "apache")])
def test_process_of_a_system_unit_is_inspected(audited: Audited, port: int, service: str) -> None:
    """A user of the unit (nginx) and a private mount namespace (Apache, PrivateTmp) do not prevent the inspection."""
    seen = audited.run.observed(f"{WEB1}/https://{WEB1}:{port}")
    folder = "web" if service == "nginx" else "apache"
    assert seen["service"] == service, audited.run.explain()
    assert [file["path"] for file in seen["installed"]] == [f"/etc/ssl/{folder}/main.{end}" for end in ("crt", "key")]


def test_process_of_a_user_manager_is_not_inspected(audited: Audited) -> None:
    """user@1000.service is a system unit, and all that runs below it is the user's."""
    found = [each for each in audited.run.endpoints if each.endswith(":7443")]
    assert found, audited.run.explain()
    assert not any(audited.run.observed(each)["installed"] for each in found)
    uid = audited.host.do("id", "-u", "alice").strip()
    reported = [line["message"] for line in audited.run.results if line["endpoint"] in found]
    assert any(f"belongs to uid {uid}: not inspected" in message for message in reported), audited.run.explain()


def test_root_does_not_test_the_configuration_of_a_user(audited: Audited) -> None:
    assert audited.host.run("test", "-e", "/home/alice/as_root.log").returncode == 1
