"""Listeners of systemd that an audit cannot read, with a copy of the site's certificate or in front of its nginx."""

from __future__ import annotations

from typing import Final

from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.pki import Credential

COPIES: Final = {9443: "stunnel@proxy", 9445: "copy.socket", 9446: "a unit of alice"}
"""The listeners that have a copy of the certificate, by port."""
FORWARDED: Final = 9444
"""The port of a proxy that passes every byte to nginx."""
_STUNNEL: Final = """syslog = no
pid =
{service}
cert = {file}.crt
key = {file}.key
connect = 127.0.0.1:80
"""
_FORWARD_SOCKET: Final = f"[Socket]\nListenStream={FORWARDED}\n[Install]\nWantedBy=sockets.target\n"
_FORWARD: Final = "[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:443\n"
_COPY_SOCKET: Final = "[Socket]\nListenStream=9445\nAccept=yes\n[Install]\nWantedBy=sockets.target\n"
_COPY: Final = (
    "[Service]\nExecStart=-/usr/bin/stunnel /etc/copy/stunnel.conf\nStandardInput=socket\nStandardError=journal\n"
)
_START: Final = """useradd --create-home --shell /bin/sh alice
chown -R alice:alice /home/alice
systemctl daemon-reload
systemctl enable --now stunnel@proxy forward.socket copy.socket
loginctl enable-linger alice
uid=$(id -u alice)
until [ -S /run/user/$uid/systemd/private ]; do sleep 0.1; done
setpriv --reuid alice --regid alice --clear-groups env XDG_RUNTIME_DIR=/run/user/$uid \\
  systemd-run --user --quiet --unit=proxy /usr/bin/stunnel /home/alice/stunnel.conf
"""


def listen(host: Host, credential: Credential) -> None:
    """Start them on a host of a release with further services."""
    stunnel = {
        "/etc/stunnel/proxy": ("foreground = yes\n[proxy]\naccept = :::9443", "/etc/copy/main"),
        "/etc/copy/stunnel": ("", "/etc/copy/main"),
        "/home/alice/stunnel": ("foreground = yes\n[proxy]\naccept = :::9446", "/home/alice/main"),
    }
    host.write(
        *credential.at("/etc/copy/main"),
        *credential.at("/home/alice/main"),
        *(HostFile(f"{at}.conf", _STUNNEL.format(service=name, file=file)) for at, (name, file) in stunnel.items()),
        HostFile("/etc/systemd/system/forward.socket", _FORWARD_SOCKET),
        HostFile("/etc/systemd/system/forward.service", _FORWARD),
        HostFile("/etc/systemd/system/copy.socket", _COPY_SOCKET),
        HostFile("/etc/systemd/system/copy@.service", _COPY),
    )
    host.shell(_START)
    host.wait_for(*COPIES, FORWARDED)
