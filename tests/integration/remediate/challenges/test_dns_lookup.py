"""Addresses of a name are found from the root servers or a resolver, and differences are noted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import dns.flags
import dns.message
import pytest

from audit.probe import Limits
from audit.probe.deadline import Stopped
from audit.probe.dns.root_servers import RootServer
from audit.probe.dns.trace import TraceLimits
from remediate.challenges.dns_lookup import LookUp, LookUps, Roots
from tests.support.dns.servers import Tree, authoritative, changed, running
from tests.support.dns.tree import DEAD, HINTS, MAIN, MAIN_ZONE, ROOT, SILENT, servers_of_tree
from tests.support.probe.name_server import name_server

AT_A_RESOLVER = "four.example.test", "both.example.test"
"""Names of the resolver; the servers of the tree have only the first one, with another address."""

NAMES = "both A 127.0.0.1\nboth A 127.0.0.2\nboth AAAA ::1\nbroken A 198.18.0.9\n"
GO_ON = threading.Event()


@pytest.fixture(scope="module")
def resolver() -> Iterator[str]:
    with name_server() as address:
        yield address


@pytest.fixture
def tree() -> Iterator[Tree]:
    servers = servers_of_tree() | {
        MAIN: authoritative(
            MAIN_ZONE + NAMES, "$ORIGIN halflame.test.\n$TTL 9\n@ SOA a b 1 1 1 1 1\nhost A 198.18.0.8\n"
        )
    }
    with running(servers) as running_tree:
        yield running_tree


def roots(tree: Tree, *hints: RootServer, reach_s: float = 1.0) -> Roots:
    return Roots(hints or HINTS, TraceLimits(timeout_s=10, port=tree.port), reach_s)


def run_limits(resolver: str) -> Limits:
    return Limits(timeout_s=2.0, resolver=(resolver,))


def found(name: str, tree: Tree, resolver: str) -> LookUp:
    return LookUps(roots(tree)).of(name, run_limits(resolver), GO_ON)


def test_zone_servers_decide_and_the_resolver_is_compared(tree: Tree, resolver: str) -> None:
    led = found("four.example.test", tree, resolver)
    assert (led.addresses, led.first_address, led.failure) == (("198.18.0.7",), "198.18.0.7", None)
    assert led.resolved.addresses == ("127.0.0.1",)
    assert led.notes == ("only the authoritative servers gave 198.18.0.7; only the resolver gave 127.0.0.1",)


def test_same_answers_of_zone_and_resolver_have_no_note(tree: Tree, resolver: str) -> None:
    led = found("both.example.test", tree, resolver)
    assert led.addresses == ("127.0.0.1", "127.0.0.2", "::1")
    assert (led.difference, led.notes) == (None, ())


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        (
            "missing.example.test",
            "nxdomain",
            f"missing.example.test. does not exist, according to ns1.example.test. ({MAIN})",
        ),
        ("text.example.test", "no-address", f"neither A nor AAAA, according to ns1.example.test. ({MAIN})"),
        ("host.lame.test", "lame", "ns.lamehost.test. (127.0.0.14): it refuses the query"),
        ("loop1.example.test", "loop", "the aliases of loop1.example.test. lead back to loop1.example.test."),
        ("host.dead.test", "timeout", f"ns.dead.test. ({DEAD}): connection refused"),
    ],
)
def test_nonexistent_name_is_reported_with_the_server_that_said_so(
    tree: Tree, resolver: str, name: str, kind: str, says: str
) -> None:
    led = found(name, tree, resolver)
    assert led.failure is not None
    assert (led.addresses, led.failure.kind) == ((), kind)
    assert says in led.failure.detail


def test_name_that_only_the_resolver_has_is_unusable_for_a_ca(resolver: str) -> None:
    with running(servers_of_tree()) as tree:
        led = found("both.example.test", tree, resolver)
    assert led.failure is not None
    assert led.failure.kind == "nxdomain"
    assert led.notes == ("only the resolver gave 127.0.0.1, 127.0.0.2, ::1",)


def test_failing_server_beside_a_working_one_is_named(tree: Tree, resolver: str) -> None:
    led = found("host.halflame.test", tree, resolver)
    assert led.addresses == ("198.18.0.8",)
    assert led.notes[1:] == (
        "a name server fails: ns.lamehost.test. (127.0.0.14) of halflame.test.: it refuses the query",
    )


def test_failing_resolver_is_not_a_difference(tree: Tree, resolver: str) -> None:
    led = found("broken.example.test", tree, resolver)
    assert (led.addresses, led.difference) == (("198.18.0.9",), None)
    assert led.notes[0].startswith("the resolver fails: broken.example.test")


def test_configured_resolver_replaces_the_root_servers(resolver: str) -> None:
    led = LookUps().of("both.example.test", run_limits(resolver), GO_ON)
    assert (led.trace, led.addresses, led.notes) == (None, ("127.0.0.1", "127.0.0.2", "::1"), ())
    assert led.first_address == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("missing.example.test", "nxdomain"),
        ("empty.example.test", "no-address"),
        ("broken.example.test", "servfail"),
        ("silent.example.test", "timeout"),
    ],
)
def test_failure_of_the_resolver_is_reported_by_its_status(resolver: str, name: str, kind: str) -> None:
    led = LookUps().of(name, run_limits(resolver), GO_ON)
    assert led.failure is not None
    assert led.failure.kind == kind
    assert name in led.failure.detail
    assert led.failure.detail.endswith("according to the resolver")


def pretend_to_resolve(response: dns.message.Message) -> None:
    response.flags = (response.flags & ~dns.flags.AA) | dns.flags.RA


@pytest.mark.parametrize(("address", "says"), [(DEAD, "connection refused"), (ROOT, "it is a resolver")])
def test_resolver_is_used_and_noted_if_no_root_server_responds(resolver: str, address: str, says: str) -> None:
    servers = servers_of_tree()
    servers[ROOT] = changed(servers[ROOT], pretend_to_resolve)
    with running(servers) as tree:
        hints = RootServer("a.root.test.", (address,))
        led = LookUps(roots(tree, hints)).of("both.example.test", run_limits(resolver), GO_ON)
    assert (led.trace, led.addresses) == (None, ("127.0.0.1", "127.0.0.2", "::1"))
    (note,) = led.notes
    assert note.startswith("none of 1 addresses of root servers responds: 1 times ")
    assert says in note
    assert note.endswith("the resolver's response is used in place of the CA's view")


def test_silent_root_servers_are_waited_for_once_in_a_run(tree: Tree, resolver: str) -> None:
    begun, lookups = time.monotonic(), LookUps(roots(tree, RootServer("mute.", (SILENT,)), reach_s=0.6))
    notes = [lookups.of(name, run_limits(resolver), GO_ON).notes for name in AT_A_RESOLVER]
    assert time.monotonic() - begun >= 0.6
    assert notes[0] == notes[1]
    assert [query.address for query in tree.queries] == [SILENT]


def test_one_responding_root_server_is_enough(tree: Tree, resolver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.probe.dns.root_reachability._NEXT_S", 20.0)
    hints = RootServer("dead.", (DEAD,)), RootServer("a.root.test.", (ROOT,)), RootServer("mute.", (SILENT,))
    led = LookUps(roots(tree, *hints)).of("four.example.test", run_limits(resolver), GO_ON)
    assert led.addresses == ("198.18.0.7",)
    assert SILENT not in {query.address for query in tree.queries}


def test_name_is_looked_up_once_by_concurrent_threads(tree: Tree, resolver: str) -> None:
    lookups = LookUps(roots(tree))
    with ThreadPoolExecutor(8) as pool:
        led = list(pool.map(lambda name: lookups.of(name, run_limits(resolver), GO_ON), 8 * ["four.example.test"]))
    assert all(one is led[0] for one in led)
    assert [query.rdtype for query in tree.queries if query.address == MAIN] == ["A", "AAAA"]


def test_stopped_run_looks_up_and_caches_nothing(tree: Tree, resolver: str) -> None:
    lookups, stop = LookUps(roots(tree)), threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        lookups.of("four.example.test", run_limits(resolver), stop)
    assert [query for query in tree.queries if query.address == MAIN] == []
    assert lookups.of("four.example.test", run_limits(resolver), GO_ON).addresses == ("198.18.0.7",)


def test_trace_is_printed_with_the_resolver_and_the_difference(tree: Tree, resolver: str) -> None:
    lines = list(found("four.example.test", tree, resolver).lines())
    assert [line for line in lines if line.endswith(": referral for four.example.test. A")]
    assert lines[-3:] == [
        ";; four.example.test has address 198.18.0.7",
        ";; the resolver's response about four.example.test: 127.0.0.1",
        ";; note: only the authoritative servers gave 198.18.0.7; only the resolver gave 127.0.0.1",
    ]
