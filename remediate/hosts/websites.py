"""The document root and the access logs of a name on a host."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from audit.observation import HostView
from audit.observation.website import Docroot
from audit.services.virtual_hosts import docroot_of, logs_of

Docroots = Callable[[str, str], Docroot | str]
"""For the label of a host and a name: the folder, or in a sentence why there is none."""


def docroots_of(hosts: Iterable[HostView], port: int = 80) -> Docroots:
    """Return what tells the docroots of these hosts, for a CA that asks at that port."""
    websites = {host.label: host.websites for host in hosts}

    def docroot(label: str, name: str) -> Docroot | str:
        if label not in websites:
            return f"{label} was not looked at from inside this time"
        return docroot_of(websites[label], name, port)

    return docroot


Logs = Callable[[str, str], tuple[str, ...]]
"""For the label of a host and a name: the access logs of its requests, as `audit.services.virtual_hosts` gives them.

A `?` before a path marks a file that may be missing."""

_PANEL: Final = (
    "?/etc/apache2/logs/access_log",
    "?/etc/apache2/logs/access",
    "?/usr/local/apache/logs/access_log",
    "?/usr/local/apache/domlogs/",
)
"""Where a cPanel & WHM server is documented to note requests; the last is a folder with a file for each name."""


def no_logs(_host: str, _name: str) -> tuple[str, ...]:
    """Know of no log."""
    return ()


def logs_on(hosts: Iterable[HostView], port: int = 80) -> Logs:
    """Return what tells the logs of these hosts, for a CA that asks at that port."""
    views = {host.label: host for host in hosts}

    def logs(label: str, name: str) -> tuple[str, ...]:
        view = views.get(label)
        if view is None:
            return ()
        documented = (f"{log}{name}" if log.endswith("/") else log for log in _PANEL) if view.is_cpanel else ()
        return (*logs_of(view.websites, name, port), *documented)

    return logs
