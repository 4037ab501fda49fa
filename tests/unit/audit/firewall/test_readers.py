"""Tests of the readers of nftables, iptables and csf: their output is read and gives the right verdicts."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from audit.firewall.csf import read_countries, read_csf
from audit.firewall.evaluate import judge_packet, packet
from audit.firewall.iptables import read_iptables
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


def saved(*rules: str, policy: str = "DROP", table: str = "filter") -> str:
    """Return what iptables-save prints."""
    lines = [f"*{table}", f":INPUT {policy} [0:0]", ":own - [0:0]", *(f"-A {rule}" for rule in rules), "COMMIT"]
    return "# Generated by iptables-save v1.8.9 (nf_tables) on Mon Nov 23 19:28:02 2026\n" + "\n".join(lines)


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        ("-p tcp -m tcp --dport 80", True),
        ("-p tcp -m tcp ! --dport 80", False),
        ("-p udp -m udp --dport 80", False),
        ("! -p udp", True),
        ("-p tcp -m multiport --dports 22,79:81", True),
        ("-p tcp -m multiport --dports 22,443", False),
        ("-s 178.255.0.0/16", True),
        ("! -s 178.255.0.0/16", False),
        ("-m iprange --src-range 178.255.81.1-178.255.81.20", True),
        ("-d 192.0.2.7/32", True),
        ("-d 192.0.2.8/32", False),
        ("-i lo", False),
        ("! -i lo", True),
        ("-i eth+", True),
        ("-i eth1", False),
        ("-m conntrack --ctstate RELATED,ESTABLISHED", False),
        ("-m conntrack --ctstate INVALID,NEW", True),
        ("-m state --state NEW", True),
        ("-m conntrack --ctstatus DNAT", False),
        ("-m rpfilter --validmark --invert", False),
        ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", True),
        ("-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN", False),
        ("-p tcp -m tcp --tcp-flags ALL NONE", False),
        ("-p tcp -m tcp --tcp-flags ALL SYN,FIN", False),
        ("-m limit --limit 10/min --limit-burst 5", True),
        ("-m hashlimit --hashlimit-above 5/sec --hashlimit-mode srcip --hashlimit-name x", False),
        ("-m connlimit --connlimit-above 20 --connlimit-mask 32 --connlimit-saddr", False),
        ("-m addrtype --dst-type LOCAL", True),
        ('-m comment --comment "a -j DROP b"', True),
    ],
)
def test_option_of_iptables_holds_as_documented(options: str, holds: bool) -> None:  # noqa: FBT001 - a parameter
    accepting = read_iptables(saved(f"INPUT {options} -j ACCEPT"), 4, ["eth0"])
    refusing = read_iptables(saved(f"INPUT {options} -j REJECT --reject-with x", policy="ACCEPT"), 4, ["eth0"])
    assert verdicts(accepting, CA) == ["accepted" if holds else "refused"]
    assert verdicts(refusing, CA) == ["refused" if holds else "accepted"]


@pytest.mark.parametrize(
    "options",
    [
        "-m set --match-set cc_us src",
        "-m geoip --src-cc DE,US",
        "-m recent --rcheck",
        "-m string --algo bm",
        "-p tcp -m tcp --dport abc",
        "-s 1.2.3.4.5",
        "-s",
    ],
)
def test_unknown_match_of_iptables_makes_the_verdict_unknown(options: str) -> None:
    assert verdicts(read_iptables(saved(f"INPUT {options} -j ACCEPT"), 4), CA) == ["unknown"]


def test_jumps_of_iptables_are_followed_and_log_rules_are_ignored() -> None:
    text = saved("INPUT -j LOG --log-prefix x", "INPUT -j own", "own -s 178.255.81.12/32 -j ACCEPT", "own -j RETURN")
    chains = read_iptables(text, 4)
    assert verdicts(chains, CA, OTHER, SIX) == ["accepted", "refused", "accepted"]
    assert verdicts(read_iptables(saved("INPUT -g own", "own -j DROP", policy="ACCEPT"), 4), CA) == ["refused"]


def test_redirect_of_iptables_makes_the_verdict_unknown() -> None:
    text = saved("PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080", table="nat", policy="ACCEPT")
    text = text.replace(":INPUT", ":PREROUTING")
    assert verdicts(read_iptables(text, 4), CA) == ["unknown"]
    assert verdicts(read_iptables(text, 4), CA, port=443) == ["accepted"]


def test_refusing_rule_of_iptables_has_the_number_that_iptables_prints() -> None:
    chains = read_iptables(saved("INPUT -i lo -j ACCEPT", "INPUT -s 178.255.81.12/32 -j DROP"), 4)
    because = judge_packet(Firewall(chains), packet(CA, 80)).because
    assert because == "iptables, table filter, chain INPUT, rule 2: -s 178.255.81.12/32 -j DROP"


@pytest.mark.parametrize("text", ["Fatal: can't open lock file", "*filter\n-A INPUT -j DROP\n"])
def test_text_that_is_not_output_of_iptables_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not output|not declared"):
        read_iptables(text, 4)


def csf(*lines: str, **settings: str) -> str:
    """Return csf's files as the host prints them."""
    conf = [f'/etc/csf/csf.conf: {name} = "{value}"' for name, value in settings.items()]
    return "\n".join([*conf, *lines])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (csf(TCP_IN="20,21,80,443"), ["accepted", "accepted"]),
        (csf(TCP_IN="20,443,2000:3000"), ["refused", "refused"]),
        (csf("/etc/csf/csf.allow: 178.255.81.0/24", TCP_IN="443"), ["accepted", "refused"]),
        (csf("/etc/csf/csf.allow: tcp|in|d=80|s=178.255.81.12", TCP_IN="443"), ["accepted", "refused"]),
        (csf("/etc/csf/csf.allow: tcp|in|d=22|s=178.255.81.12", TCP_IN="443"), ["refused", "refused"]),
        (csf("/etc/csf/csf.allow: tcp|out|d=80|d=178.255.81.12", TCP_IN="443"), ["refused", "refused"]),
        (csf("/etc/csf/csf.deny: 198.51.100.7", TCP_IN="80"), ["accepted", "refused"]),
        (csf(TCP_IN="80", CC_DENY="CN,RU"), ["unknown", "unknown"]),
        (csf(TCP_IN="443", CC_ALLOW_PORTS="DE", CC_ALLOW_PORTS_TCP="80"), ["unknown", "unknown"]),
        (csf("/etc/csf/csf.allow: Include /etc/csf/more.allow", TCP_IN="443"), ["unknown", "unknown"]),
        ("", ["accepted", "accepted"]),
    ],
)
def test_files_of_csf_give_the_verdict(text: str, expected: list[str]) -> None:
    assert verdicts(read_csf(text), CA, OTHER) == expected


def test_csf_filters_ipv6_only_if_it_is_enabled() -> None:
    assert verdicts(read_csf(csf(TCP_IN="80", TCP6_IN="443")), SIX) == ["accepted"]
    assert verdicts(read_csf(csf(TCP_IN="80", TCP6_IN="443", IPV6="1")), SIX) == ["refused"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (csf(TCP_IN="80", CC_DENY="", CC_ALLOW="DE"), ()),
        (csf(TCP_IN="80", CC_DENY="CN"), ('CC_DENY = "CN" in /etc/csf/csf.conf',)),
        (csf(TCP_IN="80", CC_ALLOW_PORTS="DE", CC_ALLOW_PORTS_TCP="80"), ()),
        (csf(TCP_IN="443", CC_ALLOW_PORTS="DE", CC_ALLOW_PORTS_TCP="80"),
         ('CC_ALLOW_PORTS = "DE" in /etc/csf/csf.conf',)),
    ],
)  # fmt: skip
def test_settings_of_csf_that_limit_countries_are_named(text: str, expected: tuple[str, ...]) -> None:
    assert read_countries(text) == expected


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


LINES = saved(
    "INPUT -i lo -j ACCEPT", 'INPUT -p tcp -m multiport --dports 80,90:99 -m comment --comment "a b" -j own',
    "own ! -s 192.0.2.0/24 -p tcp -m tcp --tcp-flags FIN,SYN SYN -j REJECT --reject-with x", "own -g own",
)  # fmt: skip


@pytest.mark.parametrize("part", range(4))
def test_mutated_output_of_iptables_is_read_or_refused(part: int) -> None:
    dice, read = random.Random(part), 0  # noqa: S311 - mutations of a test
    for _ in range(400):
        characters = list(LINES)
        for _ in range(dice.randint(1, 4)):
            characters[dice.randrange(len(characters))] = dice.choice(
                ["", " ", "\n", "-", '"', "!", ":", "*", "A", "\\"]
            )
        try:
            chains = read_iptables("".join(characters), 4, ["eth0"])
        except ValueError:
            continue
        read += 1
        assert set(verdicts(chains, CA)) <= {"accepted", "refused", "unknown"}
    assert read > 40
