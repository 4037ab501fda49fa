"""Tests of the verdict on a packet: by a simple second evaluator for random rule sets, and by example."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

import pytest

from audit.firewall.evaluate import ConnectionVerdict, Packet, judge_packet, packet
from audit.firewall.ranges import condensed, spans_of
from audit.observation.firewall import Condition, Firewall, PacketRule, RuleChain
from tests.support.firewall_rules import generated, is_unknown, outcomes, packets

MAYBE = Condition("unknown")
ACCEPT, REFUSE = PacketRule("accept", text="accept"), PacketRule("refuse", text="drop", number=3)


@pytest.mark.parametrize("part", range(4))
def test_verdict_on_random_rules_agrees_with_the_second_evaluator(part: int) -> None:
    known = 0
    for seed in range(part * 100, part * 100 + 100):
        firewall = generated(seed)
        for seen in packets():
            possible, found = outcomes(firewall, seen), judge_packet(firewall, seen).verdict
            if found == "unknown":
                rules = (rule for chain in firewall.chains for rule in chain.rules)
                assert any(is_unknown(condition, seen) for rule in rules for condition in rule.conditions), (seed, seen)
            else:
                known += 1
                assert possible == {found}, (seed, seen)
            if len(possible) == 2:
                assert found == "unknown", (seed, seen)
    assert known > 1000


def chain(*rules: PacketRule, name: str = "in", stage: int | None = 0) -> RuleChain:
    return RuleChain("t", name, rules, stage)


TO_DENY = PacketRule("jump", target="deny", text="jump deny")
NAMED = (chain(PacketRule("pass"), TO_DENY), chain(REFUSE, name="deny", stage=None))
CLOSED, CLOSED_TO_6 = RuleChain("t", "in", (), 0, "refuse"), RuleChain("t", "in", (), 0, "refuse", version=6)
RUNGS = [
    chain(PacketRule("jump", (MAYBE,), str(n + 1)), PacketRule("jump", target=str(n + 1)), name=str(n), stage=None)
    for n in range(1, 15)
]
LADDER = (chain(PacketRule("jump", target="1")), *RUNGS, chain(REFUSE, name="15", stage=None))
GEO = PacketRule("accept", (MAYBE,), text="@geo accept", number=1)
MAYBE_REFUSED = PacketRule("refuse", (MAYBE,), text="maybe", number=1)


@pytest.mark.parametrize(
    ("chains", "source", "verdict", "because"),
    [
        ((), "192.0.2.1", "accepted", ""),
        ((CLOSED,), "192.0.2.1", "refused",
         "t, chain in: no rule accepts it, and the default policy refuses it"),
        ((CLOSED_TO_6,), "192.0.2.1", "accepted", None),
        ((CLOSED_TO_6,), "2001:db8::1", "refused", None),
        ((chain(REFUSE, name="late", stage=5), chain(ACCEPT, name="early", stage=-5)), "192.0.2.1", "refused", None),
        ((chain(REFUSE, name="late", stage=1), chain(REFUSE, name="early", stage=0)), "192.0.2.1", "refused",
         "t, chain early, rule 3: drop"),
        ((chain(GEO, REFUSE),), "192.0.2.1", "unknown", "t, chain in, rule 1: @geo accept"),
        ((chain(MAYBE_REFUSED, REFUSE),), "192.0.2.1", "refused", None),
        ((chain(PacketRule("elsewhere", text="queue")),), "192.0.2.1", "unknown", None),
        ((chain(PacketRule("jump", target="gone")),), "192.0.2.1", "unknown", None),
        ((chain(PacketRule("goto", target="in")),), "192.0.2.1", "unknown", "t, chain in jumps in a loop"),
        (LADDER, "192.0.2.1", "refused", None),
    ],
    ids=["no rules", "default policy", "another IP version", "its IP version", "later chain", "two chains that refuse",
         "unknown condition", "both outcomes agree", "queue", "missing chain", "cycle", "two jumps in each chain"],
)  # fmt: skip
def test_verdict_names_the_rule_that_decides(
    chains: tuple[RuleChain, ...], source: str, verdict: str, because: str | None
) -> None:
    found = judge_packet(Firewall(chains), packet(source, 80))
    assert found.verdict == verdict
    assert because is None or found.because == because


def test_packet_is_sent_to_addresses_of_its_ip_version_only() -> None:
    own = ("192.0.2.9", "2001:db8::9")
    assert packet("192.0.2.1", 80, own).destinations == (int(ip_address("192.0.2.9")),)
    assert packet("2001:db8::1", 80, own).destinations == (int(ip_address("2001:db8::9")),)


def test_refusing_rule_is_named_with_its_chain() -> None:
    expected = ConnectionVerdict("refused", "t, chain deny, rule 3: drop")
    assert judge_packet(Firewall(NAMED), packet("192.0.2.1", 80)) == expected


def test_adjacent_spans_are_merged() -> None:
    assert spans_of([(5, 6), (1, 2), (3, 4), (9, 9), (5, 5)]) == ((1, 6), (9, 9))


def test_long_list_of_addresses_is_condensed_without_changing_verdicts() -> None:
    def blocking(numbers: Iterable[int]) -> list[PacketRule]:
        spans = ((n, (Condition("source", ((n, n),), version=4),)) for n in numbers)
        return [PacketRule("refuse", conditions, text=f"-s {n}", number=n) for n, conditions in spans]

    few, many = blocking(range(1, 5)), blocking(range(10, 500, 2))
    rules = [*few, ACCEPT, *many, PacketRule("refuse", (MAYBE,), text="maybe"), *blocking([999])]
    found = tuple(condensed(rules))
    assert [rule.text for rule in found] == [
        *(rule.text for rule in few), "accept", "one of 245 rules for addresses, the first of which is -s 10", "maybe",
        "-s 999",
    ]  # fmt: skip
    for source in (*range(12), *range(12, 1010, 31), 998, 999):
        seen = Packet(source, 4, 80)
        for tested in (rules[5:], rules):
            whole, short = (Firewall((RuleChain("t", "in", tuple(part), 0),)) for part in (tested, condensed(tested)))
            assert judge_packet(whole, seen).verdict == judge_packet(short, seen).verdict
