"""A configuration of one daemon, and how each daemon takes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Configuration:
    """The files of one configuration by their paths on the host; `expected` is what a case says about it.

    `start` replaces the command that starts the daemon. `clears` are files of the package that it does not have.
    """

    name: str
    daemon: str
    files: Mapping[str, bytes]
    links: Mapping[str, str] = field(default_factory=dict)
    clears: tuple[str, ...] = ()
    start: str | None = None
    overlay: str | None = None
    expected: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Daemon:
    """The overlay that a daemon is installed in, how it is set up, tested and started, and what discovery calls it."""

    overlay: str
    start: str
    test: str
    setup: str = ":"


DAEMONS: Final = {
    "nginx": Daemon("main", "nginx", "nginx -t"),
    "apache": Daemon(
        "main",
        "apache2ctl start",
        "apache2ctl configtest",
        "a2enmod -q ssl macro rewrite info socache_shmcb >/dev/null",
    ),
    "haproxy": Daemon(
        "main",
        "haproxy -W -D -f /etc/haproxy/haproxy.cfg",
        "haproxy -c -f /etc/haproxy/haproxy.cfg",
        "mkdir -p /run/haproxy",
    ),
    "dovecot": Daemon("main", "dovecot", "doveconf -n >/dev/null"),
    "exim": Daemon("main", "exim4 -bd -q30m", "exim4 -bV >/dev/null"),
    "pure-ftpd": Daemon("main", "pure-ftpd-wrapper", ":", "echo yes >/etc/pure-ftpd/conf/Daemonize"),
    "postfix": Daemon("second", "postfix start", "postfix check"),
    "vsftpd": Daemon(
        "second",
        "setsid vsftpd /etc/vsftpd.conf </dev/null >/dev/null 2>&1 &",
        ":",
        "mkdir -p /run/vsftpd/empty",
    ),
    "proftpd": Daemon("third", "proftpd", "proftpd -t", "mkdir -p /run/proftpd"),
}
"""By the name that discovery gives the service."""
