"""Hosts with a real systemd: the main process of a system unit is trusted, that of a user's own unit is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from audit.host.script import composed, inspection_script, read_sections
from audit.host.trust import messages
from audit.services import LAYOUTS, SERVICES, Section
from tests.support.hosts import attacker
from tests.support.hosts.attacker import HOME, UID, put
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.systemd_host import running_systemd_host

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

PLAIN = """daemon off; pid /run/web/pid; error_log stderr;
events {}
http { access_log off; client_body_temp_path /run/web/1; proxy_temp_path /run/web/2; fastcgi_temp_path /run/web/3;
  uwsgi_temp_path /run/web/4; scgi_temp_path /run/web/5; server { listen 9080; } }
"""
UNIT = """[Service]
User=www-data
RuntimeDirectory=web
ExecStart=/usr/sbin/nginx -c /etc/web.conf
"""
SANDBOX = """[Service]
PrivateTmp=yes
ProtectSystem=strict
ReadWritePaths=/run /var/log/nginx /var/lib/nginx
"""
HIDDEN = """[Service]
TemporaryFileSystem=/etc/nginx
BindReadOnlyPaths=/etc/other:/etc/nginx
"""


@dataclass(frozen=True, slots=True)
class Looked:
    """The sections of a host's answer, and what is said of untrusted processes."""

    sections: dict[str, Section]

    @property
    def told(self) -> tuple[str, ...]:
        return messages(self.sections)

    def instances(self, service: str) -> dict[int, dict[str, str]]:
        """Return the sections of each instance of a service by its process."""
        found: dict[int, dict[str, str]] = {}
        for name, section in self.sections.items():
            place, _, word = name.partition(".")
            if place.startswith(f"{service}#"):
                found.setdefault(int(place.partition("#")[2]), {})[word] = section.text
        return found


def look(host: Host) -> Looked:
    script = composed(inspection_script(SERVICES, LAYOUTS), "WORD")
    return Looked(read_sections("WORD", host.do("sh", "-c", script)))


@pytest.fixture(params=RELEASES)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with running_systemd_host(request.param, "web1.example.test") as running:
        running.shell("systemctl stop apache2 dovecot || :; systemctl restart nginx")
        yield running


def main_pid(host: Host, unit: str) -> int:
    return int(host.do("systemctl", "show", "-p", "MainPID", "--value", unit))


def test_main_process_of_a_unit_of_another_user_has_the_units_arguments(host: Host) -> None:
    host.write(HostFile("/etc/web.conf", PLAIN), HostFile("/etc/systemd/system/web.service", UNIT))
    host.shell("systemctl daemon-reload; systemctl start web")
    host.wait_for(9080)
    looked = look(host)
    assert looked.told == ()
    instance = looked.instances("nginx")[main_pid(host, "web")]
    assert instance["words"].split("\n") == ["/usr/sbin/nginx", "-c", "/etc/web.conf"]
    assert "listen 9080" in instance["dump"]
    assert main_pid(host, "nginx") in looked.instances("nginx")


def test_main_process_of_a_users_own_unit_is_not_trusted(host: Host) -> None:
    host.shell(f"groupadd -g {UID} eve; useradd -u {UID} -g {UID} -d {HOME} eve; loginctl enable-linger eve")
    attacker.move_in(host)
    unit = f"[Service]\nExecStart={HOME}/nginx\n"
    host.shell(f"mkdir -p {HOME}/.config/systemd/user; chown -R {UID}:{UID} {HOME}")
    program = attacker.telltale(f"{HOME}/proof")
    put(host, HostFile(f"{HOME}/nginx", program, 0o755), HostFile(f"{HOME}/.config/systemd/user/nginx.service", unit))
    user = f"setpriv --reuid={UID} --regid={UID} --clear-groups env XDG_RUNTIME_DIR=/run/user/{UID} systemctl --user"
    host.shell(f"until {user} start nginx; do sleep 0.2; done")
    looked = look(host)
    (line,) = looked.told
    assert line.endswith(f" named nginx belongs to uid {UID}: not inspected")
    assert host.run("test", "-e", f"{HOME}/proof").returncode != 0
    assert main_pid(host, "nginx") in looked.instances("nginx")


def test_sandboxed_unit_is_inspected_only_with_the_hosts_configuration(
    host: Host,
) -> None:
    drop_in = "/etc/systemd/system/nginx.service.d/test.conf"
    host.write(HostFile(drop_in, SANDBOX))
    host.shell("systemctl daemon-reload; systemctl restart nginx")
    looked = look(host)
    assert looked.told == ()
    assert "# configuration file /etc/nginx/nginx.conf:" in looked.instances("nginx")[main_pid(host, "nginx")]["dump"]
    host.shell("cp -a /etc/nginx /etc/other")
    host.write(HostFile(drop_in, HIDDEN))
    host.shell("systemctl daemon-reload; systemctl restart nginx")
    pid = main_pid(host, "nginx")
    instance = look(host).instances("nginx")[pid]
    assert "dump" not in instance
    assert f"# cannot read process {pid} sees another file as /etc/nginx/nginx.conf" in instance["files"]
