"""From which folder each host of a run serves a name over HTTP, by the configuration that was found on it.

It knows hosts by their labels; how web servers choose is known in `audit.services.virtual_hosts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from audit.observation import HostView
from audit.observation.website import Docroot
from audit.services.virtual_hosts import docroot_of

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
