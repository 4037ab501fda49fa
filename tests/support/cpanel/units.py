"""A panel on a host with systemd: its services are units, and its restart scripts restart these.

Its programs run with the Python of the host's release.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.support import whmapi1
from tests.support.cpanel import cpsrvd, daemons, layout
from tests.support.cpanel.restart_scripts import FOLDER
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.pki import Credential

UNITS: Final = {
    "cpsrvd": "cpanel",
    "cpdavd": "cpdavd",
    "dovecot": "dovecot",
    "exim": "exim",
    "ftpserver": "pureftpd",
    "httpd": "apache2",
}
"""The unit that a restart script restarts, by the name of the script."""
_UNIT: Final = "[Service]\n{}\n[Install]\nWantedBy=multi-user.target\n"
_OWN: Final = {
    "cpanel": "ExecStart=/usr/local/cpanel/cpsrvd",
    "cpdavd": "ExecStart=/usr/local/cpanel/cpdavd",
    "exim": "ExecStartPre=install -d -o mailnull -g mail /run/exim4\nExecStart=/usr/sbin/exim4 -bdf -q1m",
    "pureftpd": "Type=forking\nExecStart=/usr/sbin/pure-ftpd-wrapper",
}
_RESTART: Final = """#!/bin/sh
set -eu
[ $# = 0 ] || {{ echo "$0: no such option: $1" >&2; exit 2; }}
[ "{name},$(ls {hold} 2>/dev/null)" != "exim,{hold}" ] || {{ touch {held}; exec sleep 600; }}
systemctl restart {unit}
for port in {ports}; do
  n=0; until ss -Hltn "sport = :$port" | grep -q .; do n=$((n + 1)); [ $n -lt 500 ] || exit 1; sleep 0.02; done
done
echo "{name} restarted successfully."
"""
_PORTS: Final = {
    "cpsrvd": "2083 2087 2096",
    "cpdavd": "2078 2080",
    "dovecot": "993 995 143 110",
    "exim": "25 465 587",
    "ftpserver": "21",
    "httpd": "80",
}
_NEW_DOVECOT: Final = """ssl = yes
ssl_server_cert_file = /etc/dovecot/ssl/dovecot.crt
ssl_server_key_file = /etc/dovecot/ssl/dovecot.key
protocols {
  lmtp = no
  sieve = no
  submission = no
}
"""
_START: Final = f"""systemctl disable --now nginx haproxy
systemctl daemon-reload
systemctl enable {" ".join(UNITS.values())}
systemctl restart {" ".join(UNITS.values())}
"""


def install(host: Host, old: Credential, *, hold: str, held: str) -> None:
    """Put a panel on a fresh host and start it, all services with one certificate.

    While the file `hold` is there, exim does not restart: `held` is made instead, for a test to see.
    """
    host.shell(layout.PREPARE)
    host.write(
        *layout.state("admin@example.test"),
        *daemons.configuration(host.name),
        *(file for service in layout.SERVICES for file in layout.CERTIFICATES[service](old)),
        *(HostFile(f"/etc/systemd/system/{name}.service", _UNIT.format(text)) for name, text in _OWN.items()),
        *(
            HostFile(
                f"{FOLDER}/restartsrv_{name}",
                _RESTART.format(name=name, unit=unit, ports=_PORTS[name], hold=hold, held=held),
                0o755,
            )
            for name, unit in UNITS.items()
        ),
        *(_program(f"/usr/local/cpanel/{name}", cpsrvd.__file__) for name in cpsrvd.PORTS),
        HostFile("/usr/local/cpanel/bin/whmapi1", Path(whmapi1.__file__).read_text(), 0o755),
    )
    if host.shell("dovecot --version").startswith("2.4"):
        host.write(HostFile("/etc/dovecot/conf.d/10-ssl.conf", _NEW_DOVECOT))
    host.shell(_START)
    host.wait_for(80, *(port for places in layout.PORTS.values() for port, _ in places))


def _program(path: str, file: str) -> HostFile:
    return HostFile(path, f"#!/usr/bin/python3\n{Path(file).read_text()}", 0o755)
