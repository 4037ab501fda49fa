"""The way of a name through honest servers, some of which do not work: what is found, and what is said where not."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from audit.probe.deadline import Stopped
from audit.probe.dns.root_servers import RootServer
from audit.probe.dns.trace import TraceLimits, trace
from tests.support.dns.servers import (
    Answering,
    Query,
    Tree,
    authoritative,
    changed,
    records,
    running,
    saying,
    silent,
    truncating,
)
from tests.support.dns.tree import DEAD, HINTS, MAIN, OTHER, ROOT, SILENT, TLD, TLD_ZONE, small_zone, traced, world


@pytest.fixture(scope="module")
def tree() -> Iterator[Tree]:
    with running(world()) as servers:
        yield servers


def test_every_address_is_found_from_the_root_down(tree: Tree) -> None:
    found = traced(tree, "host.example.test")
    assert found.addresses == ("198.18.0.7", "198.18.0.77", "fd53::7")
    assert found.failure is None
    assert [(step.zone, step.address, step.rdtype, step.kind, step.rcode) for step in found.steps] == [
        (".", ROOT, "A", "referral", "NOERROR"),
        ("test.", TLD, "A", "referral", "NOERROR"),
        ("example.test.", MAIN, "A", "addresses", "NOERROR"),
        ("example.test.", MAIN, "AAAA", "addresses", "NOERROR"),
    ]
    assert found.steps[1].records == ("example.test. 60 IN NS ns1.example.test.",)
    assert found.steps[2].server == "ns1.example.test."
    assert all(0 < step.rtt_s < found.elapsed_s and step.octets > 0 for step in found.steps)


def test_the_server_that_says_a_name_is_missing_is_named_once_for_both_types(tree: Tree) -> None:
    found = traced(tree, "missing.example.test")
    (failure,) = found.failures
    assert failure.detail == f"missing.example.test. does not exist, according to ns1.example.test. ({MAIN})"


def test_a_trace_ends_with_the_run() -> None:
    stop = threading.Event()
    servers = world()
    servers[TLD] = changed(servers[TLD], lambda _: stop.set())
    with running(servers) as tree:
        with pytest.raises(Stopped):
            trace("host.example.test", hints=HINTS, limits=TraceLimits(port=tree.port), stop=stop)
        assert MAIN not in {asked.address for asked in tree.asked}


def test_the_first_address_is_the_first_that_was_answered() -> None:
    apart = [records("four.example.test.", "A", f"198.18.0.{number}") for number in (9, 3, 5)]
    servers = world()
    servers[MAIN] = changed(servers[MAIN], lambda response: setattr(response, "answer", apart))
    with running(servers) as tree:
        found = traced(tree, "four.example.test")
    assert found.first_address == "198.18.0.9"
    assert found.addresses == ("198.18.0.3", "198.18.0.5", "198.18.0.9")


def test_a_name_with_ipv6_only_has_no_first_address(tree: Tree) -> None:
    found = traced(tree, "six.example.test")
    assert (found.addresses, found.first_address, found.failures) == (("fd53::7",), None, ())


def test_a_server_without_glue_is_looked_up_first(tree: Tree) -> None:
    found = traced(tree, "host.glueless.test")
    assert found.addresses == ("198.18.0.8",)
    seeking = [(step.name, step.seeking) for step in found.steps if step.seeking]
    assert seeking == [("ns-of-glueless.example.test.", "ns-of-glueless.example.test.")] * 2
    assert found.steps[-1].address == OTHER


@pytest.mark.parametrize(
    ("name", "aliases", "addresses"),
    [
        ("www", ("host.example.test.",), ("198.18.0.7", "198.18.0.77", "fd53::7")),
        ("cross", ("host.other.test.",), ("198.18.0.8",)),
        ("there-and-back", ("back.other.test.", "host.example.test."), ("198.18.0.7", "198.18.0.77", "fd53::7")),
    ],
)
def test_aliases_are_followed_across_zones(
    tree: Tree, name: str, aliases: tuple[str, ...], addresses: tuple[str, ...]
) -> None:
    found = traced(tree, f"{name}.example.test")
    assert (found.aliases, found.addresses, found.failures) == (aliases, addresses, ())


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("missing.example.test", "nxdomain", "missing.example.test. does not exist"),
        ("dangling.example.test", "nxdomain", "nothere.example.test. does not exist"),
        ("nothing", "nxdomain", "nothing. does not exist"),
        ("text.example.test", "no-address", "neither A nor AAAA"),
        (".", "no-address", "neither A nor AAAA"),
        ("host.lame.test", "lame", "ns.lamehost.test. (127.0.0.14): it refuses the query"),
        ("host.noserver.test", "lame", "nowhere.example.test. has no address"),
        ("host.dead.test", "timeout", f"ns.dead.test. ({DEAD}): connection refused"),
        ("self.example.test", "loop", "lead back to self.example.test."),
        ("into-loop.example.test", "loop", "lead back to loop1.example.test."),
        ("host.itself.test", "loop", "no server of itself.test. responds"),
        ("host.cycle-a.test", "loop", "no server of cycle-a.test. responds"),
    ],
)
def test_a_name_without_address_says_why(tree: Tree, name: str, kind: str, says: str) -> None:
    found = traced(tree, name)
    assert found.addresses == ()
    assert found.failure is not None
    assert (found.failure.kind, len(found.failures)) == (kind, 1)
    assert says in found.failure.detail


@pytest.mark.parametrize("name", ["host.halflame.test", "host.halfdead.test"])
def test_a_server_that_fails_is_tried_around_and_not_first_again(tree: Tree, name: str) -> None:
    found = traced(tree, name)
    assert found.addresses == ("198.18.0.8",)
    assert len([step for step in found.steps if step.kind in ("lame", "unreachable")]) == 1


def test_a_silent_server_is_asked_twice_and_costs_its_deadline(tree: Tree) -> None:
    found = traced(tree, "host.silent.test", TraceLimits(query_s=0.3))
    assert found.failure is not None
    assert (found.failure.kind, "no response in time" in found.failure.detail) == ("timeout", True)
    assert [(step.rdtype, step.kind) for step in found.steps[2:]] == [
        ("A", "silent"),
        ("A", "silent"),
        ("AAAA", "silent"),
    ]
    assert all(0.3 <= step.rtt_s < 5 for step in found.steps[2:])


def test_the_whole_ends_in_time(tree: Tree) -> None:
    found = traced(tree, "host.silent.test", TraceLimits(query_s=60, timeout_s=0.3))
    assert found.failure is not None
    assert (found.failure.kind, found.failure.detail) == ("timeout", "not at the end after 0.3 s")
    assert found.elapsed_s < 30


def test_a_lost_datagram_is_sent_again() -> None:
    honest, first = world()[MAIN], iter([silent])

    def losing(query: Query) -> dns.message.Message | None:
        return next(first, honest)(query)

    with running(world() | {MAIN: losing}) as tree:
        assert traced(tree, "four.example.test", TraceLimits(query_s=1)).addresses == ("198.18.0.7",)


def test_what_does_not_fit_into_a_datagram_is_asked_for_over_tcp() -> None:
    servers = world()
    many = [f"198.18.1.{number}" for number in range(1, 201)]
    full = changed(servers[MAIN], lambda response: response.answer.append(records("host.example.test.", "A", *many)))
    servers[MAIN] = truncating(full)
    with running(servers) as tree:
        found = traced(tree, "host.example.test")
    assert set(many) < set(found.addresses)
    assert [step.over_tcp for step in found.steps] == [False, False, True, True]
    assert [asked.over_tcp for asked in tree.asked] == [False, False, False, True, False, True]


def test_no_server_is_asked_to_resolve_for_us() -> None:
    with running(world()) as tree:
        traced(tree, "cross.example.test")
    assert {asked.wants_recursion for asked in tree.asked} == {False}


def test_a_server_is_not_asked_again_what_it_said_does_not_exist() -> None:
    with running(world()) as tree:
        traced(tree, "missing.example.test")
    assert [asked.rdtype for asked in tree.asked] == ["A", "A", "A"]


def test_ipv4_and_servers_that_never_failed_are_asked_first() -> None:
    zone = f"{TLD_ZONE}both NS a.both\nboth NS b.both\na.both AAAA ::1\na.both A {DEAD}\nb.both A {OTHER}\n"
    servers = world() | {TLD: authoritative(zone), OTHER: authoritative(small_zone("both.test."))}
    with running(servers) as tree:
        found = traced(tree, "host.both.test")
    assert {step.address for step in found.steps[2:]} <= {DEAD, OTHER}
    assert found.steps[-1].address == OTHER
    assert len([step for step in found.steps if step.address == DEAD]) <= 1


def test_a_root_server_that_is_dead_is_tried_around(tree: Tree) -> None:
    hints = (RootServer("dead.test.", (DEAD, "::1")), RootServer("silent.test.", (SILENT,)), *HINTS)
    found = trace("four.example.test", hints=hints, limits=TraceLimits(query_s=1, port=tree.port))
    assert found.addresses == ("198.18.0.7",)
    assert [step.kind for step in found.steps[:3]] == ["unreachable", "silent", "referral"]


def test_servers_that_all_fail_at_the_root_are_said_to() -> None:
    found = trace("host.test", hints=(RootServer("dead.test.", (DEAD,)),), limits=TraceLimits(query_s=0.5, port=9))
    assert found.failure is not None
    assert found.failure.detail == f"no server of . responds: dead.test. ({DEAD}): connection refused"


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS])
def test_an_error_of_every_server_is_the_failure(rcode: dns.rcode.Rcode) -> None:
    with running(world() | {MAIN: saying(rcode)}) as tree:
        found = traced(tree, "host.example.test")
    assert found.failure is not None
    assert (found.failure.kind, f"it answers {rcode.name}" in found.failure.detail) == ("servfail", True)


def test_a_server_that_knows_no_edns_is_asked_without() -> None:
    honest, old = world()[MAIN], saying(dns.rcode.FORMERR)
    with running(world() | {MAIN: lambda query: old(query) if query.message.edns >= 0 else honest(query)}) as tree:
        assert traced(tree, "four.example.test").addresses == ("198.18.0.7",)


@pytest.mark.parametrize(("failing", "kind"), [(silent, "timeout"), (saying(dns.rcode.SERVFAIL), "servfail")])
def test_a_type_that_cannot_be_had_does_not_hide_the_other(failing: Answering, kind: str) -> None:
    honest = world()[MAIN]

    def half(query: Query) -> dns.message.Message | None:
        return (failing if query.message.question[0].rdtype == dns.rdatatype.AAAA else honest)(query)

    with running(world() | {MAIN: half}) as tree:
        found = traced(tree, "host.example.test", TraceLimits(query_s=1))
    assert found.addresses == ("198.18.0.7", "198.18.0.77")
    assert found.failure is None
    assert [failure.kind for failure in found.failures] == [kind]


def test_an_alias_made_of_a_dname_is_followed() -> None:
    moved = "$ORIGIN example.test.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 600 5\n@ NS ns1\n"
    servers = world() | {MAIN: authoritative(f"{moved}@ DNAME other.test.\nhost CNAME host.other.test.\n")}
    with running(servers) as tree:
        assert traced(tree, "host.example.test").addresses == ("198.18.0.8",)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (TraceLimits(max_aliases=1), "more than 1 aliases in a row"),
        (TraceLimits(max_queries=4), "not at the end after 4 questions"),
    ],
)
def test_a_way_that_is_too_long_is_left(tree: Tree, limits: TraceLimits, says: str) -> None:
    found = traced(tree, "there-and-back.example.test", limits)
    assert found.failure is not None
    assert (found.failure.kind, says in found.failure.detail) == ("too-long", True)


def test_servers_found_through_servers_found_through_servers_are_left() -> None:
    below = "".join(f"d{number} NS ns.d{number + 1}\n" for number in range(12)) + f"d12 NS ns.d12\nns.d12 A {OTHER}\n"
    zone = f"$ORIGIN test.\n$TTL 60\n@ SOA a.tld hostmaster 1 60 60 600 5\n@ NS a.tld\na.tld A {TLD}\n{below}"
    zones = [small_zone(f"d{number}.test.").replace("host A", "ns A 127.0.0.13\nhost A") for number in range(13)]
    with running(world() | {TLD: authoritative(zone), OTHER: authoritative(*zones)}) as tree:
        assert traced(tree, "host.d6.test").addresses == ("198.18.0.8",)
        found = traced(tree, "host.d0.test")
    assert found.failure is not None
    assert found.failure.kind == "too-long"
