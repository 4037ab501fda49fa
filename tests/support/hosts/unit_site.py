"""A machine whose systemd runs several servers with one expired certificate, and the host that repairs it every night.

The login is a user with sudo, and systemd kills all processes of a user when the login ends.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from cryptography import x509

from tests.support.checkout import CHECKOUT
from tests.support.hosts import audit_run as auditing
from tests.support.hosts import nightly_repair
from tests.support.hosts import ssh_login as login
from tests.support.hosts.fleet import WEB1, WWW, Fleet, Planted, served_store
from tests.support.hosts.host import Host, HostFile, connect, name_hosts, running_host
from tests.support.hosts.nightly_repair import FOLDER, Night
from tests.support.hosts.openssl_client import served
from tests.support.hosts.pki import Authority, Credential
from tests.support.hosts.systemd_host import Machine

PORTS: Final = {443: "nginx", 8444: "apache2@x", 6443: "haproxy"}
"""The unit that listens on each port. The last has a copy of the certificate in a file of its own."""
HELD: Final = "/run/held"
"""This file is there while the reload of a unit is held."""
HOLD: Final = "/etc/hold"
"""While this file is there, a unit does not end its reload."""
_LEFT: Final = r"""
find /etc /var/www -name '.sslaudit*' -o -path '*/pki-validation/*'
find /var/lib/sslaudit \( -name 'units.*' -o -name moving -o -name way-back -o -name '*.part' -o -name 'offer.*' \)
systemctl list-units --all --plain --no-legend --state=failed
systemctl list-units --all --plain --no-legend --type=scope | grep 'repair by sslaudit' || :
"""
_NAMES: Final = {WEB1: ("198.18.1.2",), WWW: ("198.18.1.2",)}
_STORE: Final = "198.18.1.1"
_NGINX: Final = f"""user www-data;
pid /run/nginx.pid;
events {{}}
http {{
  server {{ listen 80; server_name {WEB1} {WWW}; root /var/www/html; }}
  server {{
    listen 443 ssl; server_name {WEB1} {WWW};
    ssl_certificate /etc/tls/main.crt; ssl_certificate_key /etc/tls/main.key;
  }}
}}
"""
_APACHE: Final = f"""Listen 8444
<VirtualHost *:8444>
  ServerName {WEB1}
  ServerAlias {WWW}
  SSLEngine on
  SSLCertificateFile /etc/tls/main.crt
  SSLCertificateKeyFile /etc/tls/main.key
</VirtualHost>
"""
_HAPROXY: Final = """frontend web
  mode http
  bind :6443 ssl crt /etc/haproxy/main.pem
  http-request return status 200
"""
_HOLD: Final = f"""[Service]
ExecReload=
ExecReload=/bin/sh -c '[ ! -e {HOLD} ] || {{ touch {HELD}; exec sleep 600; }}'
ExecReload=/usr/sbin/apachectl graceful
"""
_PREPARE: Final = """systemctl disable --now nginx dovecot apache2 haproxy
a2enmod -q ssl
rm -f /etc/apache2/ports.conf /etc/apache2/sites-enabled/*
touch /etc/apache2/ports.conf
cp -a /etc/apache2 /etc/apache2-x
mkdir -p /var/log/apache2-x
cp /root/tls.conf /etc/apache2-x/conf-enabled
cat /root/more.cfg >>/etc/haproxy/haproxy.cfg
systemctl daemon-reload
systemctl enable --now nginx apache2@x haproxy
"""
_LOGINS: Final = """systemctl mask systemd-modules-load
systemctl reset-failed
sed -i 's/^UsePAM no/UsePAM yes/' /etc/ssh/sshd_config
pkill -x sshd || :
systemctl restart systemd-logind
systemctl enable --now ssh
"""


@dataclass(slots=True)
class Site:
    """The machine as it runs at present, and the night's run for it."""

    machine: Machine
    fleet: Fleet
    night: Night

    @property
    def host(self) -> Host:
        """The host that runs."""
        return self.fleet.web1

    def cut_short(self, *options: str) -> auditing.AuditRun:
        """Return how a run ends whose machine crashes while a service loads the new files."""
        self.host.do("touch", HOLD)
        with ThreadPoolExecutor(1) as pool:
            run = pool.submit(self.night.run, *options)
            while self.host.run("test", "-e", HELD).returncode:
                assert not run.done(), run.result().explain()
                time.sleep(0.2)
            self.crash()
            return run.result()

    def crash(self) -> None:
        """Kill the machine; its cable is gone with it."""
        self.machine.crash()
        self.fleet.near.run("ip", "link", "del", "to1")

    def start(self) -> None:
        """Start the machine again: it starts what is enabled there."""
        host = self.machine.start()
        connect(self.fleet.near, host, 1)
        name_hosts(host, _NAMES)
        host.wait_for(22)
        self.fleet = replace(self.fleet, web1=host)

    def sslaudit(self, *words: str) -> auditing.AuditRun:
        """Run `sslaudit repair` with the configuration of the nightly run."""
        argv = (sys.executable, "-m", "remediate", *words, "--config=sslaudit.toml")
        done = self.fleet.near.run("env", "-C", FOLDER, f"PYTHONPATH={CHECKOUT}", *argv, timeout_s=480)
        return auditing.AuditRun(done.returncode, done.stdout + done.stderr, ())

    def leaves(self) -> dict[int, x509.Certificate | None]:
        """Return what each port serves."""
        chains = {port: served(self.host, port, WEB1) for port in PORTS}
        return {port: chain[0] if chain else None for port, chain in chains.items()}


def leftovers(host: Host) -> str:
    """Return what a repair must not leave behind: prepared files, tokens, notes of a switch, units that failed."""
    return host.shell(_LEFT)


@contextmanager
def running_site(
    authority: Authority,
    release: str,
    serve: Callable[[Host, Credential], None] | None = None,
    *,
    login_as: str = "sudoer",
) -> Iterator[Site]:
    """Start the machine, and the host that audits it and has the Store; other services are started by `serve`."""
    old = authority.issue(WEB1, WWW, begins=-90, lasts=60)
    with running_host("main", "auditor.example.test") as near, Machine(release, WEB1) as machine:
        public_key, host = login.make_key(near), machine.start()
        address = connect(near, host, 1)
        name_hosts(near, {"auditor.example.test": ("127.0.1.1",), **_NAMES})
        name_hosts(host, _NAMES)
        login.admit(host, public_key)
        login.know(near, host)
        _admit_by_pam(host)
        (serve or _serve)(host, old)
        auditing.trust(near, authority.anchor)
        with served_store(near, _STORE, address) as (store, access):
            fleet = Fleet(near, host, f"ssh://{login_as}@{WEB1}", address, Planted((), old, old), store, access)
            night = nightly_repair.prepare(fleet, authority, by_relay=False)
            yield Site(machine, fleet, night)


def _admit_by_pam(host: Host) -> None:
    host.write(HostFile("/etc/systemd/logind.conf.d/kill.conf", "[Login]\nKillUserProcesses=yes\n"))
    host.shell(_LOGINS)
    host.wait_for(22)


def _serve(host: Host, old: Credential) -> None:
    host.write(
        *old.at("/etc/tls/main"),
        HostFile("/etc/haproxy/main.pem", old.key + old.fullchain, 0o600),
        HostFile("/root/more.cfg", _HAPROXY),
        HostFile("/root/tls.conf", _APACHE),
        HostFile("/etc/nginx/nginx.conf", _NGINX),
        HostFile("/etc/systemd/system/apache2@x.service.d/hold.conf", _HOLD),
    )
    host.shell(_PREPARE)
    host.wait_for(80, *PORTS)
