"""Tests of the verdict on a packet: by a simple second evaluator for random rule sets, and by example."""

from __future__ import annotations

from collections.abc import Iterable

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


def test_packet_is_accepted_without_rules() -> None:
    assert judge_packet(Firewall(), packet("192.0.2.1", 80)) == ConnectionVerdict("accepted")


def test_refusing_rule_is_named_with_its_chain() -> None:
    chains = (
        RuleChain("table t", "in", (PacketRule("pass"), PacketRule("jump", target="deny", text="jump deny")), 0),
        RuleChain("table t", "deny", (REFUSE,)),
    )
    assert judge_packet(Firewall(chains), packet("192.0.2.1", 80)) == ConnectionVerdict(
        "refused", "table t, chain deny, rule 3: drop"
    )


def test_refusing_default_policy_is_named() -> None:
    found = judge_packet(Firewall((RuleChain("t", "in", (), 0, "refuse"),)), packet("192.0.2.1", 80))
    assert found == ConnectionVerdict("refused", "t, chain in: no rule accepts it, and the default policy refuses it")


def test_chain_of_another_ip_version_is_ignored() -> None:
    firewall = Firewall((RuleChain("t", "in", (), 0, "refuse", version=6),))
    assert judge_packet(firewall, packet("192.0.2.1", 80)).verdict == "accepted"
    assert judge_packet(firewall, packet("2001:db8::1", 80)).verdict == "refused"


def test_packet_accepted_by_one_chain_may_be_refused_by_a_later_chain() -> None:
    late, early = RuleChain("t", "late", (REFUSE,), 5), RuleChain("t", "early", (ACCEPT,), -5)
    assert judge_packet(Firewall((late, early)), packet("192.0.2.1", 80)).verdict == "refused"


def test_rule_that_makes_the_verdict_unknown_is_named() -> None:
    rules = (PacketRule("accept", (MAYBE,), text="@geo accept", number=1), REFUSE)
    found = judge_packet(Firewall((RuleChain("t", "in", rules, 0),)), packet("192.0.2.1", 80))
    assert found == ConnectionVerdict("unknown", "t, chain in, rule 1: @geo accept")


def test_verdict_is_known_if_both_outcomes_of_a_condition_agree() -> None:
    rules = (PacketRule("refuse", (MAYBE,), text="maybe", number=1), REFUSE)
    assert judge_packet(Firewall((RuleChain("t", "in", rules, 0),)), packet("192.0.2.1", 80)).verdict == "refused"


@pytest.mark.parametrize(
    "rule", [PacketRule("elsewhere", text="queue"), PacketRule("jump", target="gone"), PacketRule("goto", target="in")]
)
def test_verdict_is_unknown_after_queue_missing_chain_or_cycle(rule: PacketRule) -> None:
    assert judge_packet(Firewall((RuleChain("t", "in", (rule,), 0),)), packet("192.0.2.1", 80)).verdict == "unknown"


def test_chains_with_two_jumps_each_are_evaluated_in_linear_time() -> None:
    rungs = [
        RuleChain("t", str(n), (PacketRule("jump", (MAYBE,), str(n + 1)), PacketRule("jump", target=str(n + 1))))
        for n in range(1, 15)
    ]
    ladder = (RuleChain("t", "in", (PacketRule("jump", target="1"),), 0), *rungs, RuleChain("t", "15", (REFUSE,)))
    assert judge_packet(Firewall(ladder), packet("192.0.2.1", 80)).verdict == "refused"


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
