"""What is wrong with the way on which a CA comes to a proof: answers that keep it out, redirects it does not follow.

It knows the Baseline Requirements for that way (3.2.2.4.18); it asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urljoin, urlsplit

from audit.observation import Door

_FOLLOWED: Final = (301, 302, 307, 308)
_PORTS: Final = {"http": 80, "https": 443}
_MISSING: Final = (404, 410)
"""What is well: the file that was asked for is not there."""

Mending = Literal["host", "configure"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What keeps a CA from the proof at one address, in a clause; without an answer it is `silent`."""

    address: str
    why: str
    remedy: Mending
    is_silent: bool = False


def ways(doors: Iterable[Door]) -> tuple[tuple[Door, ...], ...]:
    """Return the doors of each address in the order in which they lead on."""
    found: dict[str, list[Door]] = {}
    for door in doors:
        found.setdefault(door.address, []).append(door)
    return tuple(map(tuple, found.values()))


def barred(way: Sequence[Door]) -> Fault | None:
    """Return what bars the way at its end; None where it is open, or leads on to where nobody looked."""
    last = way[-1]
    led = f"{way[0].url} at {last.address}" + (f" leads to {last.url}, which" if len(way) > 1 else "")
    if last.status is None:
        return Fault(last.address, f"{led} gives no answer: {last.detail}", "host", is_silent=True)
    if last.status in _MISSING or last.status < 400:
        return None
    by = f" of {last.server!r}" if last.server else ""
    begins = f", it begins {last.beginning!r}" if last.beginning.strip() else ""
    return Fault(last.address, f"{led} is answered {last.status}{by}{begins}", "configure")


def misled(way: Sequence[Door]) -> Fault | None:
    """Return which redirect on the way is one that a CA does not follow."""
    for door in way:
        why = _unfollowed(door, way)
        if why:
            sent = f"{door.url} at {door.address} sends with {door.status} to {door.location!r}"
            return Fault(door.address, f"{sent}: {why}", "configure")
    return None


def elsewhere(way: Sequence[Door]) -> str:
    """Return where a way leads to that nobody looked at; "" where it ends before."""
    last = way[-1]
    if not _redirects(last) or misled(way):
        return ""
    return urljoin(last.url, last.location)


def _redirects(door: Door) -> bool:
    return door.status is not None and 300 <= door.status < 400 and door.status != 304 and bool(door.location)


def _unfollowed(door: Door, way: Sequence[Door]) -> str:
    if not _redirects(door):
        return ""
    if door.status not in _FOLLOWED:
        return "a CA follows 301, 302, 307 and 308 alone"
    try:
        there = urlsplit(led := urljoin(door.url, door.location))
        port = there.port
    except ValueError as error:
        return f"it is no URL: {error}"
    if there.scheme not in _PORTS or not there.hostname:
        return "a CA follows to http and https alone"
    if (port or _PORTS[there.scheme]) not in _PORTS.values():
        return "a CA follows to the ports 80 and 443 alone"
    if led in [one.url for one in way[: way.index(door) + 1]]:
        return "it goes in circles"
    if door is way[-1] and there.hostname == urlsplit(door.url).hostname:
        return f"after {len(way)} redirects it is still not at its end"
    return ""
