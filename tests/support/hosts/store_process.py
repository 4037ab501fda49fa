"""The lab's strict Store as a process on a host of the lab: its base URL on standard output, orders for it on input.

It validates from addresses of that host.
`python -m tests.support.hosts.store_process FOLDER SOURCES NAME=ADDRESS,ADDRESS…`
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.support.store.server import serving


def main(folder: str, sources: str, *places: str) -> None:
    """Serve until the input ends; a line of it is a misbehaviour (what, and how many times), `behave` or `at PLACE`."""
    addresses = dict(map(_place, places))
    Path(folder).mkdir(parents=True, exist_ok=True)

    def resolve(name: str) -> list[tuple[str, int]]:
        return [(address, 80) for address in addresses.get(name, ())]

    with serving(Path(folder), resolve, sources=tuple(sources.split(","))) as store:
        _say({"base_url": store.base_url, "token": store.token})
        for line in sys.stdin:
            what, _, times = line.strip().partition(" ")
            if what == "behave":
                store.behave()
            elif what == "at":
                addresses.update([_place(times)])
            else:
                store.misbehave(what, times=int(times) if times else None)
            _say({})


def _place(text: str) -> tuple[str, list[str]]:
    name, _, addresses = text.partition("=")
    return name, addresses.split(",")


def _say(value: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
