"""A trace through bind, nsd and knot: what it finds, and that it goes the way `dig +trace` goes where that is right."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.hosts.host import Host, name_hosts
from tests.support.hosts.name_servers import HINTS, MANY, SILENT, running_tree

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

_SCRIPT: Final = """
import dataclasses, json, sys, threading
from audit.probe import Limits
from audit.probe.dns.resolver import resolve
from audit.probe.dns.root_servers import read_hints
from audit.probe.dns.trace import TraceLimits, as_lines, difference, trace

hints, every = read_hints(sys.argv[1], "hints"), {}
for name in sys.argv[2:]:
    traced = trace(name, hints=hints, limits=TraceLimits(query_s=1))
    fields = {"failure": traced.failure and traced.failure.kind, "lines": tuple(as_lines(traced))}
    if traced.addresses:
        fields["difference"] = str(difference(traced, resolve(name, Limits(), threading.Event()).addresses) or "none")
    every[name] = dataclasses.asdict(traced) | fields
json.dump(every, sys.stdout)
"""
BOTH: Final = ["198.18.0.7", "198.18.0.77", "fd53::7"]
OTHER: Final = ["198.18.0.8"]
FOUND: Final = {
    "host.example.test": BOTH,
    "HOST.Example.Test.": BOTH,
    "six.example.test": ["fd53::7"],
    "any.wild.example.test": ["198.18.0.7"],
    "www.example.test": BOTH,
    "cross.example.test": OTHER,
    "host.moved.example.test": OTHER,
    "host.glueless.test": OTHER,
    "host.halflame.test": OTHER,
    "host.six.test": OTHER,
    "many.example.test": list(MANY),
}
NOT_FOUND: Final = {
    "missing.example.test": ("nxdomain", "missing.example.test. does not exist"),
    "dangling.example.test": ("nxdomain", "nothere.example.test. does not exist"),
    "text.example.test": ("no-address", "neither A nor AAAA"),
    "host.lame.test": ("lame", "ns.lamehost.test. (198.18.5.2): it refuses the query"),
    "host.silent.test": ("timeout", f"ns.silent.test. ({SILENT}): no response in time"),
    "loop1.example.test": ("loop", "lead back to loop1.example.test."),
    "host.cycle-a.test": ("loop", "no server of cycle-a.test. responds"),
}
Traces = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def client(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - asked for to skip or fail before anything starts
    with running_tree() as host:
        yield host


def traces_of(client: Host, *names: str) -> Traces:
    """Return what names lead to, traced on the client."""
    traces: Traces = json.loads(client.do(sys.executable, "-c", _SCRIPT, HINTS, *names))
    return traces


@pytest.fixture(scope="module")
def traced(client: Host) -> Traces:
    return traces_of(client, *FOUND, *NOT_FOUND)


def dig_trace(client: Host, name: str) -> tuple[list[str], set[str]]:
    """Return the servers that `dig +trace` asks for A, its resolver left out, and the addresses it ends with."""
    output = client.do("dig", "+trace", "+nodnssec", "+time=2", name)
    servers = re.findall(r"^;; Received .*\((\S+)\) in", output, re.MULTILINE)
    return servers[1:], set(re.findall(r"\sIN\tA\t(\S+)$", output, re.MULTILINE))


@pytest.mark.parametrize("name", FOUND)
def test_trace_finds_the_same_addresses_as_the_system_resolver(traced: Traces, name: str) -> None:
    found = traced[name]
    assert (found["addresses"], found["failures"], found["difference"]) == (FOUND[name], [], "none")
    assert "silent" not in {step["kind"] for step in found["steps"]}
    assert found["elapsed_s"] < 20


@pytest.mark.parametrize("name", NOT_FOUND)
def test_name_without_an_address_has_a_reason(traced: Traces, name: str) -> None:
    found, (kind, says) = traced[name], NOT_FOUND[name]
    assert (found["addresses"], found["failure"]) == ([], kind)
    assert says in found["failures"][0]["detail"]
    assert found["elapsed_s"] < 15


@pytest.mark.parametrize("name", ["host.example.test", "www.example.test", "host.glueless.test", "host.six.test"])
def test_trace_queries_the_same_servers_as_dig(client: Host, traced: Traces, name: str) -> None:
    found = traced[name]
    servers, addresses = dig_trace(client, name)
    # dig asks its resolver for the addresses of servers, and takes what an answer says of an alias of the same zone.
    own = [step for step in found["steps"] if step["rdtype"] == "A" and not step["seeking"]]
    assert [step["server"].rstrip(".") for step in own][: len(servers)] == servers
    assert {address for address in found["addresses"] if ":" not in address} == addresses


def test_responses_of_three_kinds_of_servers_are_parsed(traced: Traces) -> None:
    found = traced["many.example.test"]
    asked = [(step["server"], step["kind"], step["over_tcp"]) for step in found["steps"]]
    assert asked == [
        ("a.root.test.", "referral", False),
        ("a.tld.test.", "referral", False),
        ("ns1.example.test.", "addresses", True),
        ("ns1.example.test.", "no-data", False),
    ]
    assert "over TCP: addresses for many.example.test. A" in "\n".join(found["lines"])


def test_difference_from_the_system_resolver_is_reported(client: Host) -> None:
    name_hosts(client, {"host.example.test": ("10.0.0.7",)})
    try:
        found = traces_of(client, "host.example.test")["host.example.test"]
    finally:
        name_hosts(client, {})
    only_traced, only_resolved = found["difference"].split("; ")
    assert only_traced == f"only the authoritative servers gave {', '.join(BOTH)}"
    assert only_resolved == "only the resolver gave 10.0.0.7"
