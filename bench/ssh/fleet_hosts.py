"""Starts many small hosts on a host of an overlay: each has namespaces, sshd, nginx and a certificate of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import trust
from tests.support.hosts.host import Host, HostFile, name_hosts, running_host
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.pki import Authority, new_authority

SCRIPTS: Final = Path(__file__).parent
_NGINX: Final = """user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {{}}
http {{
  access_log off;
  server {{
    listen 443 ssl; server_name {name};
    ssl_certificate /etc/ssl/nginx/main.crt; ssl_certificate_key /etc/ssl/nginx/main.key;
    return 200 "ok\\n";
  }}
}}
"""
_ONLY_NGINX: Final = "mkdir -p /etc/ssl/nginx /run/netns; rm -rf /etc/rc?.d /etc/systemd/system/*.wants"
"""Nothing else that is installed starts with a host, so discovery does not look for it."""


@dataclass(frozen=True, slots=True)
class FleetHosts:
    """The host that audits, the names of the others, and the argument that names the CA of their servers."""

    near: Host
    names: tuple[str, ...]
    trust: str

    def logins(self) -> dict[str, int]:
        """Return how many logins each host has had."""
        counts = self.near.shell("grep -c 'Accepted publickey' /fleet/*/log/sshd.log || :")
        by_number = {int(number): int(count) for number, count in re.findall(r"/fleet/(\d+)/\S+:(\d+)", counts)}
        return {name: by_number[number] for number, name in enumerate(self.names, 1)}


@contextmanager
def running_fleet_hosts(number: int) -> Iterator[FleetHosts]:
    """Run this many hosts; on leaving, all of them are gone, because the host that audits is their outer one."""
    with running_host("main", "auditor.example.test") as near:
        names = tuple(f"host{count}.example.test" for count in range(1, number + 1))
        authority = new_authority(datetime.now(UTC))
        login.admit(near, login.make_key(near))
        near.write(HostFile("/root/.ssh/known_hosts", f"* {near.read('/etc/ssh/ssh_host_ed25519_key.pub')}"))
        name_hosts(near, {name: (f"198.19.{count}.2",) for count, name in enumerate(names, 1)})
        near.shell(_ONLY_NGINX)
        near.write(*(file for count, name in enumerate(names, 1) for file in _files(count, name, authority)))
        near.do("sh", str(SCRIPTS / "hosts.sh"), str(number))
        _wait_for(near, number)
        yield FleetHosts(near, names, trust(near, authority.anchor))


def _files(count: int, name: str, authority: Authority) -> Sequence[HostFile]:
    nginx = HostFile(f"/fleet/{count}/nginx/nginx.conf", _NGINX.format(name=name))
    return (nginx, *authority.issue(name).at(f"/fleet/{count}/ssl/main"))


def _wait_for(near: Host, number: int) -> None:
    started = "grep -l 'Server listening' /fleet/*/log/sshd.log 2>/dev/null | wc -l"
    if not wait_until(lambda: int(near.shell(started)) == number):
        raise RuntimeError(f"not all hosts start: {near.shell('cat /fleet/*/log/start')}")
