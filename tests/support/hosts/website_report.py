"""The websites that discovery finds on a host, and its HTTP responses, read on the host itself.

`websites` prints what discovery found, `fetch` reads requests from its input and prints the answers. It judges nothing.
"""

from __future__ import annotations

import http.client
import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from audit.host.discovery import Login, discover
from audit.json_codec import from_json, to_json
from audit.observation import HostView
from tests.support.checkout import CHECKOUT
from tests.support.hosts.host import Host

_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: which address, under which name, for which path."""

    address: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer."""

    status: int
    location: str
    body: str


def looked_at(host: Host) -> HostView:
    """Return the whole report of a host."""
    return from_json(HostView, json.loads(_on(host, "websites")))


def fetched(host: Host, asked: list[Asked]) -> dict[Asked, Answered]:
    """Return what a host answers at port 80 to each of these requests, asked from itself."""
    answers = json.loads(_on(host, "fetch", json.dumps([asdict(one) for one in asked])))
    return {one: Answered(**answer) for one, answer in zip(asked, answers, strict=True)}


def _on(host: Host, word: str, text: str = "") -> str:
    argv = ("env", "-C", str(CHECKOUT), sys.executable, "-m", "tests.support.hosts.website_report", word)
    return host.do(*argv, stdin=text.encode())


def _websites() -> Any:  # noqa: ANN401 - any JSON
    (found,) = discover([Login("local://")], clock=lambda: datetime.now(UTC))
    return to_json(found.host.server)


def _fetch(asked: Asked) -> dict[str, Any]:
    connection = http.client.HTTPConnection(asked.address, 80, timeout=_DEADLINE_S)
    try:
        connection.request("GET", asked.path, headers={"Host": asked.name})
        answer = connection.getresponse()
        body = answer.read().decode("utf-8", "replace")
    finally:
        connection.close()
    return asdict(Answered(answer.status, answer.getheader("Location") or "", body))


if __name__ == "__main__":
    result = _websites() if sys.argv[1] == "websites" else [_fetch(Asked(**one)) for one in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(result))
