"""The TXT records of a name at every server of its zone, and as a resolver has them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import dns.rcode
import pytest

from audit.probe import Limits
from audit.probe.deadline import Stopped
from audit.probe.dns.texts import ServerTexts, resolved_texts, traced_texts
from audit.probe.dns.trace import TraceLimits
from remediate.challenges.dns_lookup import LookUps, Roots
from tests.support.dns.servers import Tree, authoritative, running, saying
from tests.support.dns.tree import HINTS, LAME, MAIN, MAIN_ZONE, OTHER, SILENT, TLD, TLD_ZONE, servers_of_tree
from tests.support.probe.name_server import name_server

LIMITS = TraceLimits(timeout_s=10, query_s=0.3)
CHALLENGES = f"""{MAIN_ZONE}_acme-challenge.one TXT "right"
_acme-challenge.long TXT "{"a" * 200}" "{"b" * 100}"
_acme-challenge.two TXT "right"
_acme-challenge.two TXT "of another CA"
_acme-challenge.alias CNAME one.validation.other.test.
"""
BEHIND = '$ORIGIN other.test.\n$TTL 60\n@ SOA ns h 1 60 60 600 5\n@ NS ns\none.validation TXT "aliased"\n'
TWO = f"{TLD_ZONE}two NS ns1.example\ntwo NS ns.lamehost\n"
NS1, NS_OTHER = "ns1.example.test.", "ns.other.test."


@pytest.fixture(scope="module")
def tree() -> Iterator[Tree]:
    servers = servers_of_tree() | {MAIN: authoritative(CHALLENGES), OTHER: authoritative(BEHIND)}
    with running(servers) as running_tree:
        yield running_tree


def texts(tree: Tree, name: str) -> list[ServerTexts]:
    return [*traced_texts(name, HINTS, replace(LIMITS, port=tree.port), threading.Event())]


@pytest.mark.parametrize(
    ("name", "server", "found"),
    [
        ("_acme-challenge.one.example.test", (NS1, MAIN), ("right",)),
        ("_acme-challenge.long.example.test", (NS1, MAIN), ("a" * 200 + "b" * 100,)),
        ("_acme-challenge.two.example.test", (NS1, MAIN), ("of another CA", "right")),
        ("_acme-challenge.alias.example.test", (NS_OTHER, OTHER), ("aliased",)),
        ("_acme-challenge.none.example.test", (NS1, MAIN), ()),  # NXDOMAIN
        ("four.example.test", (NS1, MAIN), ()),  # no TXT
        ("_acme-challenge.a.nowhere.test", ("a.tld.test.", TLD), ()),  # no such zone
    ],
)
def test_server_of_the_zone_returns_the_records(
    tree: Tree, name: str, server: tuple[str, str], found: tuple[str, ...]
) -> None:
    assert texts(tree, name) == [ServerTexts(*server, found)]


def test_each_server_of_a_zone_is_queried() -> None:
    small = "$ORIGIN two.test.\n$TTL 60\n@ SOA ns h 1 60 60 600 5\n@ NS ns1.example.test.\n"
    new, old = authoritative(f'{small}a TXT "new"\n', CHALLENGES), authoritative(f'{small}a TXT "old"\n')
    with running(servers_of_tree() | {TLD: authoritative(TWO), MAIN: new, LAME: old}) as tree:
        found = texts(tree, "a.two.test")
    assert sorted((server.server, server.texts) for server in found) == [
        ("ns.lamehost.test.", ("old",)),
        (NS1, ("new",)),
    ]


def test_server_that_fails_has_a_fault_and_no_records() -> None:
    small = '$ORIGIN two.test.\n$TTL 60\n@ SOA ns h 1 60 60 600 5\n@ NS ns1.example.test.\na TXT "right"\n'
    servers = {TLD: authoritative(TWO), MAIN: authoritative(small), LAME: saying(dns.rcode.SERVFAIL)}
    with running(servers_of_tree() | servers) as tree:
        found = {server.server: server for server in texts(tree, "a.two.test")}
    assert found[NS1].texts == ("right",)
    assert (found["ns.lamehost.test."].texts, found["ns.lamehost.test."].fault) == ((), "it returns SERVFAIL")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("_acme-challenge.silent.test", f"no server of silent.test. responds: ns.silent.test. ({SILENT}): no response"),
        ("loop1.example.test", "the aliases of loop1.example.test. lead back to loop1.example.test."),
        ("a..b", "'a..b' is not a domain name"),
    ],
)
def test_name_whose_servers_cannot_be_found_has_a_fault(tree: Tree, name: str, fault: str) -> None:
    (found,) = texts(tree, name)
    assert found.texts == ()
    assert found.fault.startswith(fault)


def test_stopped_run_sends_no_query(tree: Tree) -> None:
    stop = threading.Event()
    stop.set()
    before = len(tree.queries)
    with pytest.raises(Stopped):
        traced_texts("a.example.test", HINTS, replace(LIMITS, port=tree.port), stop)
    assert len(tree.queries) == before


def test_configured_resolver_is_used_without_root_servers() -> None:
    with name_server() as resolver:
        limits = Limits(resolver=(resolver,))
        found = LookUps().texts("none.example.test", limits, threading.Event())
        assert found == (ServerTexts("the resolver", ""),)
        assert resolved_texts("broken.example.test", limits, threading.Event()).fault


def test_configured_root_servers_are_used_before_the_resolver(tree: Tree) -> None:
    lookups = LookUps(Roots(HINTS, replace(LIMITS, port=tree.port)))
    found = lookups.texts("_acme-challenge.one.example.test", Limits(resolver=("127.0.0.1:9",)), threading.Event())
    assert found == (ServerTexts(NS1, MAIN, ("right",)),)
