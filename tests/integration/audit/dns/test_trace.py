"""A trace through honest name servers, some of which fail: the addresses found, and the failure reported."""

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
from tests.support.dns.tree import (
    DEAD,
    HINTS,
    MAIN,
    OTHER,
    ROOT,
    SILENT,
    TLD,
    TLD_ZONE,
    failed,
    servers_of_tree,
    small_zone,
    traced,
)


@pytest.fixture(scope="module")
def tree() -> Iterator[Tree]:
    with running(servers_of_tree()) as servers:
        yield servers


def test_trace_finds_every_address_from_the_root_down(tree: Tree) -> None:
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


def test_server_that_reports_nxdomain_is_named_once_for_both_types(tree: Tree) -> None:
    found = traced(tree, "missing.example.test")
    (failure,) = found.failures
    assert failure.detail == f"missing.example.test. does not exist, according to ns1.example.test. ({MAIN})"


def test_trace_ends_when_the_run_is_stopped() -> None:
    stop = threading.Event()
    servers = servers_of_tree()
    servers[TLD] = changed(servers[TLD], lambda _: stop.set())
    with running(servers) as tree:
        with pytest.raises(Stopped):
            trace("host.example.test", hints=HINTS, limits=TraceLimits(port=tree.port), stop=stop)
        assert MAIN not in {query.address for query in tree.queries}


def test_first_address_is_the_first_in_the_response() -> None:
    apart = [records("four.example.test.", "A", f"198.18.0.{number}") for number in (9, 3, 5)]
    servers = servers_of_tree()
    servers[MAIN] = changed(servers[MAIN], lambda response: setattr(response, "answer", apart))
    with running(servers) as tree:
        found = traced(tree, "four.example.test")
    assert found.first_address == "198.18.0.9"
    assert found.addresses == ("198.18.0.3", "198.18.0.5", "198.18.0.9")


def test_name_with_only_ipv6_has_no_first_address(tree: Tree) -> None:
    found = traced(tree, "six.example.test")
    assert (found.addresses, found.first_address, found.failures) == (("fd53::7",), None, ())


def test_name_server_without_glue_is_resolved_first(tree: Tree) -> None:
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
def test_name_without_an_address_has_a_failure_with_its_reason(tree: Tree, name: str, kind: str, says: str) -> None:
    found = traced(tree, name)
    assert (found.addresses, len(found.failures), failed(found, kind, says)) == ((), 1, True), found.failure


@pytest.mark.parametrize("name", ["host.halflame.test", "host.halfdead.test"])
def test_failing_name_server_is_skipped_and_not_queried_first_again(tree: Tree, name: str) -> None:
    found = traced(tree, name)
    assert found.addresses == ("198.18.0.8",)
    assert len([step for step in found.steps if step.kind in ("lame", "unreachable")]) == 1


def test_silent_name_server_is_queried_twice_until_its_deadline(tree: Tree) -> None:
    found = traced(tree, "host.silent.test", TraceLimits(query_s=0.3))
    assert failed(found, "timeout", "no response in time"), found.failure
    assert [(step.rdtype, step.kind) for step in found.steps[2:]] == [*[("A", "silent")] * 2, ("AAAA", "silent")]
    assert all(0.3 <= step.rtt_s < 5 for step in found.steps[2:])


def test_whole_trace_ends_at_its_deadline(tree: Tree) -> None:
    found = traced(tree, "host.silent.test", TraceLimits(query_s=60, timeout_s=0.3))
    assert failed(found, "timeout", "not finished after 0.3 s"), found.failure
    assert found.elapsed_s < 30


def test_lost_datagram_is_sent_again() -> None:
    honest, first = servers_of_tree()[MAIN], iter([silent])

    def losing(query: Query) -> dns.message.Message | None:
        return next(first, honest)(query)

    with running(servers_of_tree() | {MAIN: losing}) as tree:
        assert traced(tree, "four.example.test", TraceLimits(query_s=0.5)).addresses == ("198.18.0.7",)


def test_truncated_response_is_queried_again_over_tcp() -> None:
    servers = servers_of_tree()
    many = [f"198.18.1.{number}" for number in range(1, 201)]
    full = changed(servers[MAIN], lambda response: response.answer.append(records("host.example.test.", "A", *many)))
    servers[MAIN] = truncating(full)
    with running(servers) as tree:
        found = traced(tree, "host.example.test")
    assert set(many) < set(found.addresses)
    assert [step.over_tcp for step in found.steps] == [False, False, True, True]
    assert [query.over_tcp for query in tree.queries] == [False, False, False, True, False, True]


def test_queries_do_not_ask_for_recursion() -> None:
    with running(servers_of_tree()) as tree:
        traced(tree, "cross.example.test")
    assert {query.wants_recursion for query in tree.queries} == {False}


def test_server_that_reported_nxdomain_is_not_queried_again() -> None:
    with running(servers_of_tree()) as tree:
        traced(tree, "missing.example.test")
    assert [query.rdtype for query in tree.queries] == ["A", "A", "A"]


def test_ipv4_and_servers_without_failures_are_queried_first() -> None:
    zone = f"{TLD_ZONE}both NS a.both\nboth NS b.both\na.both AAAA ::1\na.both A {DEAD}\nb.both A {OTHER}\n"
    servers = servers_of_tree() | {TLD: authoritative(zone), OTHER: authoritative(small_zone("both.test."))}
    with running(servers) as tree:
        found = traced(tree, "host.both.test")
    assert {step.address for step in found.steps[2:]} <= {DEAD, OTHER}
    assert found.steps[-1].address == OTHER
    assert len([step for step in found.steps if step.address == DEAD]) <= 1


def test_dead_root_server_is_skipped(tree: Tree) -> None:
    hints = (RootServer("dead.test.", (DEAD, "::1")), RootServer("silent.test.", (SILENT,)), *HINTS)
    found = trace("four.example.test", hints=hints, limits=TraceLimits(query_s=0.5, port=tree.port))
    assert found.addresses == ("198.18.0.7",)
    assert [step.kind for step in found.steps[:3]] == ["unreachable", "silent", "referral"]


def test_failure_of_all_root_servers_is_reported() -> None:
    found = trace("host.test", hints=(RootServer("dead.test.", (DEAD,)),), limits=TraceLimits(query_s=0.5, port=9))
    assert found.failure is not None
    assert found.failure.detail == f"no server of . responds: dead.test. ({DEAD}): connection refused"


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS])
def test_error_of_every_server_is_the_failure(rcode: dns.rcode.Rcode) -> None:
    with running(servers_of_tree() | {MAIN: saying(rcode)}) as tree:
        found = traced(tree, "host.example.test")
    assert failed(found, "servfail", f"it returns {rcode.name}"), found.failure


def test_server_without_edns_is_queried_without_edns() -> None:
    honest, old = servers_of_tree()[MAIN], saying(dns.rcode.FORMERR)
    with running(
        servers_of_tree() | {MAIN: lambda query: old(query) if query.message.edns >= 0 else honest(query)}
    ) as tree:
        assert traced(tree, "four.example.test").addresses == ("198.18.0.7",)


@pytest.mark.parametrize(("failing", "kind"), [(silent, "timeout"), (saying(dns.rcode.SERVFAIL), "servfail")])
def test_failed_record_type_does_not_hide_the_other(failing: Answering, kind: str) -> None:
    honest = servers_of_tree()[MAIN]

    def half(query: Query) -> dns.message.Message | None:
        return (failing if query.message.question[0].rdtype == dns.rdatatype.AAAA else honest)(query)

    with running(servers_of_tree() | {MAIN: half}) as tree:
        found = traced(tree, "host.example.test", TraceLimits(query_s=0.5))
    assert found.addresses == ("198.18.0.7", "198.18.0.77")
    assert found.failure is None
    assert [failure.kind for failure in found.failures] == [kind]


def test_alias_synthesized_from_a_dname_is_followed() -> None:
    moved = "$ORIGIN example.test.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 600 5\n@ NS ns1\n"
    servers = servers_of_tree() | {MAIN: authoritative(f"{moved}@ DNAME other.test.\nhost CNAME host.other.test.\n")}
    with running(servers) as tree:
        assert traced(tree, "host.example.test").addresses == ("198.18.0.8",)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (TraceLimits(max_aliases=1), "more than 1 aliases in a row"),
        (TraceLimits(max_queries=4), "not finished after 4 queries"),
    ],
)
def test_trace_above_its_limits_is_abandoned(tree: Tree, limits: TraceLimits, says: str) -> None:
    found = traced(tree, "there-and-back.example.test", limits)
    assert found.failure is not None
    assert (found.failure.kind, says in found.failure.detail) == ("too-long", True)


def test_name_servers_nested_too_deep_are_abandoned() -> None:
    below = "".join(f"d{number} NS ns.d{number + 1}\n" for number in range(12)) + f"d12 NS ns.d12\nns.d12 A {OTHER}\n"
    zone = f"$ORIGIN test.\n$TTL 60\n@ SOA a.tld hostmaster 1 60 60 600 5\n@ NS a.tld\na.tld A {TLD}\n{below}"
    zones = [small_zone(f"d{number}.test.").replace("host A", "ns A 127.0.0.13\nhost A") for number in range(13)]
    with running(servers_of_tree() | {TLD: authoritative(zone), OTHER: authoritative(*zones)}) as tree:
        assert traced(tree, "host.d6.test").addresses == ("198.18.0.8",)
        found = traced(tree, "host.d0.test")
    assert failed(found, "too-long"), found.failure
