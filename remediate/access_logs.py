"""The access logs of a host: which of them may note a visit to the proof, the command that looks, and its answer.

It knows files, rotation and bounds; what a line says is read elsewhere. It only looks, and takes no lock: a log that
cannot be read is a clause for a person, and keeps no repair from going on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from audit.observation import HostView
from audit.services.virtual_hosts import logs_of
from remediate.action import Command, Done
from remediate.hosts import script
from remediate.premises import Premises
from remediate.visit_times import zone_of
from remediate.visits import ANY, Noted, Unreadable, Visit, only, read_line

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

_ANY: Final = r"/\.well-known/(pki-validation|acme-challenge)/|/[0-9A-F]{32}\.txt"
_MOST: Final = 40  # lines of one file; several places look, at each address of a name


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


def look_for_visits(premises: Premises, file: str | None, logs: Iterable[str]) -> Command:
    """Return the command that looks for a file's name in logs, and in what was rotated away since it was asked for.

    Without a file for all that a CA may ask for.
    """
    why = f"look who has asked for {file or 'a proof'}"
    return premises.looking(why, script("access_logs"), file or _ANY, str(_MOST), *logs, timeout_s=50.0)


def read_visits(done: Done, file: str | None, since: datetime | None = None) -> Noted:
    """Return what a host's logs say, its visits by time; what two logs note is one visit.

    Without a file those for any proof; `since` leaves out what came before.
    """
    if not done.ok:
        return Noted(faults=(f"the access log could not be looked at: {(done.error or 'it takes too long').strip()}",))
    lines = done.output.splitlines()
    zone = next((zone_of(line.removeprefix("zone ")) for line in lines if line.startswith("zone ")), UTC)
    proof = only(file) if file else ANY
    whole, of_one, unread = Counter[Visit](), Counter[Visit](), 0
    for line in lines:
        if line.startswith("== "):
            whole, of_one = whole | of_one, Counter()
        if line.startswith("> "):
            try:
                of_one.update(filter(None, [read_line(line.removeprefix("> "), proof, zone)]))
            except Unreadable:
                unread += 1
    visits = (one for one in (whole | of_one).elements() if since is None or one.at is None or one.at >= since)
    return Noted(
        tuple(sorted(visits, key=_when)),
        unread,
        tuple(line.removeprefix("== ") for line in lines if line.startswith("== ")),
        tuple(dict.fromkeys(line.removeprefix("!! ") for line in lines if line.startswith("!! "))),
    )


def _when(visit: Visit) -> float:
    return visit.at.timestamp() if visit.at else 0.0
