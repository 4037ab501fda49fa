"""Classifies the clients that requested a challenge file: the CA, the panel, this audit, and others.

It goes by user agents, which a client can choose freely: the result is a report and no evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from audit.firewall.exposure import CURRENT_PRACTICE, LISTED
from audit.text import join_clauses, join_limited
from remediate.access_logs.parser import LoggedRequest, LogScan
from remediate.challenges.base import SELF_TEST

Client = Literal["ca", "panel", "ours", "other"]

_NAMES: Final[Mapping[Client, str]] = {
    "ca": "the CA",
    "panel": "the panel's own client",
    "ours": "this audit",
    "other": "others",
}
_SECTIGO: Final = re.compile(r"\bsectigo\W*dcv\b", re.IGNORECASE)
_OTHER_CA: Final = re.compile(r"let's encrypt validation|letsencrypt\.org", re.IGNORECASE)
_PANEL: Final = re.compile(r"cpanel-http-client", re.IGNORECASE)
_MAX_SHOWN: Final = 4  # addresses of one kind of client
_LISTED: Final = "listed as Sectigo's by cPanel's documentation"


def classify_client(request: LoggedRequest) -> Client:
    """Return which client sent a request, by its user agent."""
    if request.agent.startswith(SELF_TEST):
        return "ours"
    if _SECTIGO.search(request.agent) or _OTHER_CA.search(request.agent):
        return "ca"
    return "panel" if _PANEL.search(request.agent) else "other"


def client_lines(scan: LogScan, *, is_ordered: bool = True) -> tuple[str, ...]:
    """Return lines about which clients requested the file, whether the CA did, and which logs cannot be read.

    Before an order (not `is_ordered`) the CA has no reason to request it; then only the lack of any request is a line.
    """
    return tuple(_lines(scan, is_ordered=is_ordered))


def _lines(scan: LogScan, *, is_ordered: bool) -> Iterator[str]:
    by_client: dict[Client, list[LoggedRequest]] = {kind: [] for kind in _NAMES}
    for request in scan.requests:
        by_client[classify_client(request)].append(request)
    if scan.logs and not by_client["ca"] and (is_ordered or not scan.requests):
        by_ca = " by the CA" if is_ordered else ""
        yield f"no request{by_ca} for the file in {join_limited(scan.logs, 1)}"
    for kind, name in _NAMES.items():
        yield from _requested(by_client[kind], name)
    yield from _documented(by_client["ca"])
    if scan.unparsed:
        yield f"cannot parse {scan.unparsed} lines of the access log that name the file"
    if scan.faults:
        yield f"access log: {join_clauses(scan.faults)}"


def _requested(requests: Sequence[LoggedRequest], name: str) -> Iterator[str]:
    if not requests:
        return
    last = {request.address: request for request in requests}  # of each address
    clients = f"{len(last)} addresses of {name}" if len(last) > 1 else name
    is_served = any(request.status is not None and 200 <= request.status < 300 for request in requests)
    verb = "fetched by" if is_served else "requested, but not served, by"
    texts = [_counted(request, requests) for request in last.values()]
    more = [f"and {len(texts) - _MAX_SHOWN} more"] if len(texts) > _MAX_SHOWN else []
    yield f"{verb} {clients}: {join_clauses([*texts[:_MAX_SHOWN], *more])}"


def _counted(last: LoggedRequest, requests: Sequence[LoggedRequest]) -> str:
    times = sum(request.address == last.address for request in requests)
    return f"{last}{f', {times} times' if times > 1 else ''}"


def _documented(requests: Iterable[LoggedRequest]) -> Iterator[str]:
    """Yield which of Sectigo's addresses cPanel's documentation lists, and the present state if one is not listed."""
    addresses = dict.fromkeys(request.address for request in requests if _SECTIGO.search(request.agent))
    listed = [address for address in addresses if address in LISTED]
    others = [address for address in addresses if address not in LISTED]
    if listed:
        yield f"{_LISTED}: {join_limited(listed)}"
    if others:
        yield f"not {_LISTED}: {join_limited(others)}; {CURRENT_PRACTICE}"
