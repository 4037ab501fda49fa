"""The printed trace, its comparison with the resolver, and the root hints."""

from __future__ import annotations

import re

import pytest

from audit.probe.dns.root_servers import ROOT_SERVERS, BadHints, RootServer, read_hints
from audit.probe.dns.trace import Difference, Trace, as_lines, difference
from tests.support.dns.servers import running
from tests.support.dns.tree import MAIN, ROOT, TLD, servers_of_tree, traced

FOUND = Trace("host.example.test", addresses=("198.18.0.7", "fd53::7"))


def printed(name: str) -> list[str]:
    """Return the lines of a trace without its times and with its records sorted."""
    with running(servers_of_tree()) as tree:
        lines = as_lines(traced(tree, name))
        return [re.sub(r"\d+ bytes|in \d+ ms", "…", line) for line in lines]


def test_trace_is_printed_step_by_step() -> None:
    lines = printed("www.example.test")
    assert lines[:6] == [
        "test. 60 IN NS a.tld.test.",
        f";; Received … from {ROOT} (a.root.test.) …: referral for www.example.test. A",
        "example.test. 60 IN NS ns1.example.test.",
        f";; Received … from {TLD} (a.tld.test.) …: referral for www.example.test. A",
        "www.example.test. 60 IN CNAME host.example.test.",
        f";; Received … from {MAIN} (ns1.example.test.) …: alias for www.example.test. A",
    ]
    assert sorted(lines[6:8]) == ["host.example.test. 60 IN A 198.18.0.7", "host.example.test. 60 IN A 198.18.0.77"]
    assert lines[-4:] == [
        ";; www.example.test is an alias of host.example.test.",
        ";; www.example.test has address 198.18.0.7",
        ";; www.example.test has address 198.18.0.77",
        ";; www.example.test has address fd53::7",
    ]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("host.lame.test", "(ns.lamehost.test.) …: lame for host.lame.test. A: it refuses the query"),
        ("host.dead.test", ";; No response (connection refused) from 127.0.0.99 (ns.dead.test.) …: unreachable for"),
        ("host.glueless.test", "addresses for ns-of-glueless.example.test. A to find ns-of-glueless.example.test."),
        ("missing.example.test", ";; nxdomain: missing.example.test. does not exist"),
    ],
)
def test_failure_is_printed_at_its_step(name: str, line: str) -> None:
    assert any(line in printed_line for printed_line in printed(name))


@pytest.mark.parametrize("resolved", [("fd53::7", "198.18.0.7"), ("FD53:0::7", "198.18.0.7", "198.18.0.7")])
def test_same_addresses_are_not_a_difference(resolved: tuple[str, ...]) -> None:
    assert difference(FOUND, resolved) is None


@pytest.mark.parametrize(
    ("resolved", "expected", "says"),
    [
        (("198.18.0.7",), Difference(("fd53::7",), ()), "only the authoritative servers gave fd53::7"),
        (
            ("198.18.0.9", "10.0.0.1", "fd53::7"),
            Difference(("198.18.0.7",), ("10.0.0.1", "198.18.0.9")),
            "only the authoritative servers gave 198.18.0.7; only the resolver gave 10.0.0.1, 198.18.0.9",
        ),
        ((), Difference(FOUND.addresses, ()), "only the authoritative servers gave 198.18.0.7, fd53::7"),
    ],
)
def test_difference_to_the_resolver_names_both_sources(
    resolved: tuple[str, ...], expected: Difference, says: str
) -> None:
    assert difference(FOUND, resolved) == expected
    assert str(expected) == says


def test_thirteen_root_servers_have_both_address_families() -> None:
    assert len(ROOT_SERVERS) == 13
    assert all([":" in address for address in server.addresses] == [False, True] for server in ROOT_SERVERS)


def test_hints_file_is_read_in_its_order() -> None:
    text = """; hints
. 3600000 NS B.ROOT.test.
. 3600000 NS a.root.test.
b.root.test. 60 AAAA fd53::2
B.Root.Test. 60 A 198.18.0.2
a.root.test. 60 A 198.18.0.3
z.root.test. 60 A 198.18.0.4
"""
    assert read_hints(text, "root.hints") == (
        RootServer("B.ROOT.test.", ("198.18.0.2", "fd53::2")),
        RootServer("a.root.test.", ("198.18.0.3",)),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "gives no address of a server of the root zone"),
        (". 60 NS a.root.test.\n", "gives no address of a server of the root zone"),
        (". 60 NS a.root.test.\na.root.test. 60 A 198.18.0\n", "root.hints:3"),
        ("$INCLUDE /etc/passwd\n", "root.hints:1"),
        ("<html>\n", "is not a zone file"),
    ],
)
def test_file_without_hints_is_refused_with_file_and_line(text: str, says: str) -> None:
    with pytest.raises(BadHints, match=r"^root[.]hints") as refused:
        read_hints(text, "root.hints")
    assert says in str(refused.value)
