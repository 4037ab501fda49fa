"""Where the self-test finds a name's addresses: from the root servers down, on a network of real name servers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from audit.probe.dns.root_reachability import REACH_S
from tests.support.hosts.host import Host, name_hosts
from tests.support.hosts.name_servers import HINTS, running_tree

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

_LOOK_UP: Final = """
import json, sys, threading, time
from audit.probe import Limits
from audit.probe.dns.root_servers import read_hints
from remediate.challenges.dns_lookup import LookUps, Roots

lookups = LookUps(Roots(read_hints(sys.argv[1], "hints") if sys.argv[1] else ()))
every = []
for name in sys.argv[2:]:
    begun = time.monotonic()
    led = lookups.of(name, Limits(), threading.Event())
    every.append({
        "addresses": led.addresses, "failure": led.failure and (led.failure.kind, led.failure.detail),
        "notes": led.notes, "lines": list(led.lines()), "took": time.monotonic() - begun,
    })
json.dump(every, sys.stdout)
"""
_LOOK: Final = """
import sys
from remediate.challenges.http_probe import ExpectedFile, probe_file
from remediate.challenges.base import ProbeSettings

for address in sys.argv[1:]:
    look = probe_file(ExpectedFile("host.example.test", "/file.txt", "right"), address, ProbeSettings(deadline_s=2))
    print(look.verdict, look.detail)
"""
BOTH: Final = ["198.18.0.7", "198.18.0.77", "fd53::7"]
DROPPING: Final = "198.18.5.2"
"""A host that passes nothing on: whatever is sent through it is lost without a word."""


@pytest.fixture(scope="module")
def client(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - asked for to skip or fail before anything starts
    with running_tree() as host:
        yield host


def look_up(client: Host, hints: str, *names: str) -> list[dict[str, Any]]:
    """Return where names lead, looked up on the client in one run."""
    led: list[dict[str, Any]] = json.loads(client.do(sys.executable, "-c", _LOOK_UP, hints, *names))
    return led


def test_authoritative_servers_win_over_the_system_resolver(client: Host) -> None:
    name_hosts(client, {"host.example.test": ("10.0.0.7",), "missing.example.test": ("10.0.0.8",)})
    try:
        found, missing = look_up(client, HINTS, "host.example.test", "missing.example.test")
    finally:
        name_hosts(client, {})
    assert (found["addresses"], found["failure"]) == (BOTH, None)
    reported = f"only the authoritative servers gave {', '.join(BOTH)}; only the resolver gave 10.0.0.7"
    assert (found["notes"], found["lines"][-1]) == ([reported], f";; note: {reported}")
    assert missing["failure"] == [
        "nxdomain",
        "missing.example.test. does not exist, according to ns1.example.test. (198.18.3.2)",
    ]
    assert missing["notes"] == ["only the resolver gave 10.0.0.8"]


def test_equal_addresses_add_no_note(client: Host) -> None:
    assert [led["notes"] for led in look_up(client, HINTS, "host.example.test", "cross.example.test")] == [[], []]


def test_host_without_a_route_uses_the_system_resolver_at_once(client: Host) -> None:
    (led,) = look_up(client, "", "host.example.test")
    assert (led["addresses"], led["took"] < REACH_S) == (BOTH, True)
    (note,) = led["notes"]
    assert note.startswith("none of 26 addresses of root servers responds: 26 times network is unreachable")


def test_unreachable_root_servers_delay_only_the_first_lookup(client: Host) -> None:
    client.shell(f"ip route add default via {DROPPING}")
    try:
        first, second = look_up(client, "", "host.example.test", "six.example.test")
    finally:
        client.shell("ip route del default")
    assert (first["addresses"], second["addresses"]) == (BOTH, ["fd53::7"])
    assert REACH_S < first["took"] < 2 * REACH_S
    assert second["took"] < REACH_S
    assert "13 times no response in time" in first["notes"][0]
    assert first["notes"] == second["notes"]


def test_address_of_an_unsupported_family_is_unseen_not_blocked(client: Host) -> None:
    result = client.do(sys.executable, "-c", _LOOK, "2001:db8::1", "127.0.0.1").splitlines()
    assert result == ["unseen this machine has no IPv6 to try it with (ENETUNREACH)", "blocked connection refused"]
