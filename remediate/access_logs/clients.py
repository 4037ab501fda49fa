"""Who has come for the proof: the CA, the panel's own client, this audit, others; and what that is evidence of.

It knows user agents and the addresses that the panel's documentation lists; it reads no log. Anybody can call himself
what he likes: it says what was noted, and proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from audit.firewall.exposure import LISTED, TODAY_SAYS
from audit.text import listing, sentence
from remediate.access_logs.parser import LoggedRequest, LogScan
from remediate.challenges.base import SELF_TEST

Who = Literal["ca", "panel", "ours", "other"]

_NAMES: Final[Mapping[Who, str]] = {
    "ca": "the CA",
    "panel": "the panel's own client",
    "ours": "this audit",
    "other": "others",
}
_SECTIGO: Final = re.compile(r"\bsectigo\W*dcv\b", re.IGNORECASE)
_OTHER_CA: Final = re.compile(r"let's encrypt validation|letsencrypt\.org", re.IGNORECASE)
_PANEL: Final = re.compile(r"cpanel-http-client", re.IGNORECASE)
_SHOWN: Final = 4  # addresses of one kind of visitors
_LISTED: Final = "listed as Sectigo's by cPanel's documentation"


def classify_client(visit: LoggedRequest) -> Who:
    """Return who says to have come."""
    if visit.agent.startswith(SELF_TEST):
        return "ours"
    if _SECTIGO.search(visit.agent) or _OTHER_CA.search(visit.agent):
        return "ca"
    return "panel" if _PANEL.search(visit.agent) else "other"


def visitor_lines(noted: LogScan, *, is_ordered: bool = True) -> tuple[str, ...]:
    """Return what logs say, a line each: who has fetched the file, whether the CA came, and what could not be read.

    Before an order (`is_ordered`) the CA has no reason to come; what counts is whether any request got to the host.
    """
    return tuple(_lines(noted, is_ordered=is_ordered))


def _lines(noted: LogScan, *, is_ordered: bool) -> Iterator[str]:
    by: dict[Who, list[LoggedRequest]] = {kind: [] for kind in _NAMES}
    for visit in noted.visits:
        by[classify_client(visit)].append(visit)
    if noted.logs and not by["ca"] and (is_ordered or not noted.visits):
        rest = f" and {len(noted.logs) - 1} more" if len(noted.logs) > 1 else ""
        nobody = "the CA has not come for the file" if is_ordered else "no request for the file has come in here"
        yield f"{nobody}, says {noted.logs[0]}{rest}"
    for kind, name in _NAMES.items():
        yield from _fetched(by[kind], name)
    yield from _of_places(by["ca"])
    if noted.unread:
        yield f"{noted.unread} lines of the access log name the file and could not be read"
    if noted.faults:
        yield f"access log: {sentence(noted.faults)}"


def _fetched(visits: Sequence[LoggedRequest], name: str) -> Iterator[str]:
    if not visits:
        return
    places = {visit.address: visit for visit in visits}  # of each the last
    count = f"{len(places)} addresses of {name}" if len(places) > 1 else name
    is_served = any(visit.status is not None and 200 <= visit.status < 300 for visit in visits)
    came_to = "fetched by" if is_served else "asked for, and not served: by"
    told = [_told(last, visits) for last in places.values()]
    more = [f"and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else []
    yield f"{came_to} {count}: {sentence([*told[:_SHOWN], *more])}"


def _told(last: LoggedRequest, visits: Sequence[LoggedRequest]) -> str:
    times = sum(visit.address == last.address for visit in visits)
    return f"{last}{f', {times} times' if times > 1 else ''}"


def _of_places(visits: Iterable[LoggedRequest]) -> Iterator[str]:
    """Yield which of Sectigo's addresses are listed, and what is so today where one is not."""
    places = list(dict.fromkeys(visit.address for visit in visits if _SECTIGO.search(visit.agent)))
    listed = [one for one in places if one in LISTED]
    others = [one for one in places if one not in LISTED]
    if listed:
        yield f"{_LISTED}: {listing(listed)}"
    if others:
        yield f"not {_LISTED}: {listing(others)}; {TODAY_SAYS}"
