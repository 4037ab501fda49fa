"""Tests of the reader of nftables: its output is read and gives the right verdicts."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from audit.firewall.evaluate import judge_packet, packet
from audit.firewall.nftables import read_nftables
from audit.observation.firewall import Firewall, RuleChain

CA, OTHER, SIX = "178.255.81.12", "198.51.100.7", "2001:db8::1"
DPORT, SADDR = ({"payload": {"protocol": p, "field": f}} for p, f in (("tcp", "dport"), ("ip", "saddr")))
SYN = {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["fin", "syn", "rst", "ack"]]}
DROP: dict[str, object] = {"drop": None}


def verdicts(chains: tuple[RuleChain, ...], *addresses: str, port: int = 80) -> list[str]:
    """Return what becomes of connections from these addresses."""
    return [
        judge_packet(Firewall(chains), packet(one, port, ["192.0.2.7", "2001:db8::7"])).verdict for one in addresses
    ]


def match(left: object, right: object, op: str = "==") -> dict[str, object]:
    """Return a match as libnftables writes it."""
    return {"match": {"op": op, "left": left, "right": right}}


def nft(*rules: list[dict[str, object]], more: tuple[dict[str, Any], ...] = (), policy: str = "drop") -> str:
    """Return a ruleset of one chain of input."""
    chain = {"family": "inet", "table": "filter", "name": "input", "hook": "input", "prio": 0, "policy": policy}
    where = {"family": "inet", "table": "filter", "chain": "input"}
    entries = [{"metainfo": {}}, {"chain": chain}, *more, *({"rule": {**where, "expr": rule}} for rule in rules)]
    return json.dumps({"nftables": entries})


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ([match(DPORT, 80)], True),
        ([match(DPORT, 443)], False),
        ([match(DPORT, {"set": [22, {"range": [79, 81]}]})], True),
        ([match(DPORT, {"range": [1, 79]}, "!=")], True),
        ([match(DPORT, "http")], True),
        ([match(DPORT, 1024, "<")], True),
        ([match(DPORT, 80, ">")], False),
        ([match({"payload": {"protocol": "udp", "field": "dport"}}, 80)], False),
        ([match({"payload": {"protocol": "udp", "field": "dport"}}, 53, "!=")], False),
        ([match({"payload": {"protocol": "th", "field": "dport"}}, 80)], True),
        ([match(SADDR, {"prefix": {"addr": "178.255.0.0", "len": 16}})], True),
        ([match(SADDR, OTHER)], False),
        ([match(SADDR, "@listed")], True),
        ([match(SADDR, "@listed", "!=")], False),
        ([match({"payload": {"protocol": "ip6", "field": "saddr"}}, SIX, "!=")], False),
        ([match({"payload": {"protocol": "ip", "field": "daddr"}}, "192.0.2.7")], True),
        ([match({"payload": {"protocol": "ip", "field": "daddr"}}, "192.0.2.8")], False),
        ([match({"meta": {"key": "iifname"}}, "lo")], False),
        ([match({"meta": {"key": "iifname"}}, "lo", "!=")], True),
        ([match({"meta": {"key": "iifname"}}, "eth0")], True),
        ([match({"meta": {"key": "iifname"}}, "eth1")], False),
        ([match({"meta": {"key": "l4proto"}}, {"set": ["tcp", "udp"]})], True),
        ([match({"meta": {"key": "l4proto"}}, "icmp")], False),
        ([match({"meta": {"key": "nfproto"}}, "ipv4")], True),
        ([match({"meta": {"key": "nfproto"}}, "ipv6")], False),
        ([match({"ct": {"key": "state"}}, ["established", "related"], "in")], False),
        ([match({"ct": {"key": "state"}}, "new", "in")], True),
        ([match({"ct": {"key": "status"}}, "dnat", "in")], False),
        ([match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, False)], False),
        ([match(SYN, "syn")], True),
        ([match(SYN, "syn", "!=")], False),
        ([match(SYN, {"|": ["syn", "ack"]})], True),
        ([{"limit": {"rate": 10, "per": "second"}}], True),
        ([{"limit": {"rate": 10, "per": "second", "inv": True}}], False),
        ([{"ct count": {"val": 20, "inv": True}}], False),
        ([{"set": {"op": "add", "set": "@seen", "stmt": [{"limit": {"inv": True}}]}}], False),
        ([{"counter": {"packets": 0}}, {"log": None}], True),
        ([match(DPORT, 80), match(SADDR, OTHER)], False),
    ],
)
def test_match_of_nftables_holds_as_documented(conditions: list[dict[str, object]], holds: bool) -> None:  # noqa: FBT001 - a parameter
    elements = ["91.199.212.132", {"elem": {"val": CA, "expires": 60}}]
    listed = {"set": {"family": "inet", "table": "filter", "name": "listed", "elem": elements}}
    accepting = read_nftables(nft([*conditions, {"accept": None}], more=(listed,)), ["eth0"])
    refusing = read_nftables(nft([*conditions, {"reject": None}], more=(listed,), policy="accept"), ["eth0"])
    assert verdicts(accepting, CA) == ["accepted" if holds else "refused"]
    assert verdicts(refusing, CA) == ["refused" if holds else "accepted"]


@pytest.mark.parametrize(
    "unknown",
    [
        match({"concat": [SADDR, DPORT]}, {"set": [{"concat": [CA, 80]}]}),
        match({"meta": {"key": "mark"}}, 1),
        match(SADDR, "@gone"),
        match(SADDR, "ca.example"),
        match({"meta": {"key": "iifname"}}, "eth*"),
        {"xt": {"type": "match", "name": "geoip"}},
        {"fib": {}},
    ],
)
def test_unknown_match_of_nftables_makes_the_verdict_unknown(unknown: dict[str, object]) -> None:
    assert verdicts(read_nftables(nft([unknown, {"accept": None}]), ["eth0"]), CA) == ["unknown"]


def test_interface_of_packet_is_unknown_if_the_host_has_several() -> None:
    rule: list[dict[str, object]] = [match({"meta": {"key": "iifname"}}, "eth0"), {"accept": None}]
    assert verdicts(read_nftables(nft(rule), ["eth0", "eth1"]), CA) == ["unknown"]


def test_verdict_map_becomes_one_rule_for_each_element() -> None:
    states = {"set": [["invalid", DROP], ["established", {"accept": None}]]}
    ports = {"set": [[{"set": [25, 80]}, {"jump": {"target": "web"}}], ["*", DROP]]}
    chain = {"chain": {"family": "inet", "table": "filter", "name": "web"}}
    rule = {"family": "inet", "table": "filter", "chain": "web", "expr": [match(SADDR, CA), {"accept": None}]}
    text = nft(
        [{"vmap": {"key": {"ct": {"key": "state"}}, "data": states}}], [{"vmap": {"key": DPORT, "data": ports}}],
        more=(chain, {"rule": rule}), policy="accept",
    )  # fmt: skip
    chains = read_nftables(text)
    assert verdicts(chains, CA, OTHER) == ["accepted", "refused"]
    assert judge_packet(Firewall(chains), packet(OTHER, 80)).because.startswith(
        "nftables, table inet filter, chain input, rule 2"
    )
    unread = read_nftables(nft([{"vmap": {"key": DPORT, "data": "@gone"}}]))
    assert verdicts(unread, CA) == ["unknown"]


def test_dormant_table_and_chain_of_another_hook_are_ignored() -> None:
    asleep = {"table": {"family": "inet", "name": "filter", "flags": ["dormant"]}}
    assert verdicts(read_nftables(nft([DROP], more=(asleep,))), CA) == ["accepted"]
    assert verdicts(read_nftables(nft([DROP]).replace('"hook": "input"', '"hook": "output"')), CA) == ["accepted"]


def test_rule_of_nftables_is_shown_in_its_own_syntax() -> None:
    wide = {"set": ["192.0.2.1", "192.0.2.3", {"prefix": {"addr": "10.0.0.0", "len": 8}}, "192.0.2.9", "192.0.2.11"]}
    chains = read_nftables(nft([match(SADDR, wide, "!="), match(DPORT, 80), {"counter": None}, DROP], policy="accept"))
    assert judge_packet(Firewall(chains), packet(CA, 80)).because == (
        "nftables, table inet filter, chain input, rule 1: "
        "ip saddr != { 192.0.2.1, 192.0.2.3, 10.0.0.0/8, 192.0.2.9, … } tcp dport 80 drop"
    )


ENDLESS = nft([DROP]).replace('"prio": 0', '"prio": Infinity')


@pytest.mark.parametrize(
    "text", ["", "{}", '{"nftables": [{"rule": {}}]}', '{"nftables": 3}', "[]", "not json", ENDLESS]
)
def test_text_that_is_not_a_ruleset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a ruleset|Expecting"):
        read_nftables(text)


ODD: tuple[Any, ...] = (
    None,
    3,
    -1,
    "",
    "x",
    "@",
    [],
    {},
    [[]],
    {"set": None},
    {"range": [1]},
    True,
    10**40,
    "::1/999",
    {"a": 1, "b": 2},
)
WHOLE = nft(
    [match({"ct": {"key": "state"}}, ["established"], "in"), {"accept": None}],
    [match(DPORT, {"set": [80, {"range": [90, 99]}]}), match(SADDR, "@listed"), {"jump": {"target": "web"}}],
    [{"vmap": {"key": DPORT, "data": {"set": [[80, {"goto": {"target": "web"}}]]}}}, {"limit": {"rate": 1}}],
    [match(SYN, "syn", "!="), {"set": {"op": "add", "stmt": [{"limit": {"inv": True}}]}}, {"drop": None}],
    more=({"set": {"family": "inet", "table": "filter", "name": "listed", "elem": [CA, {"elem": {"val": OTHER}}]}},
          {"chain": {"family": "inet", "table": "filter", "name": "web"}}, {"table": {"family": "inet", "name": "x"}}),
)  # fmt: skip


def mutated(value: Any, dice: random.Random) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value with some parts of it replaced by odd ones."""
    if dice.random() < 0.02:
        return dice.choice(ODD)
    if isinstance(value, dict):
        return {key: mutated(member, dice) for key, member in value.items() if dice.random() > 0.01}
    return [mutated(item, dice) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("part", range(4))
def test_mutated_ruleset_of_nftables_is_read_or_refused(part: int) -> None:
    dice, read = random.Random(part), 0  # noqa: S311 - mutations of a test
    for _ in range(400):
        text = json.dumps(mutated(json.loads(WHOLE), dice))
        try:
            chains = read_nftables(text, ["eth0"])
        except ValueError:
            continue
        read += 1
        assert set(verdicts(chains, CA, SIX)) <= {"accepted", "refused", "unknown"}
    assert read > 40
