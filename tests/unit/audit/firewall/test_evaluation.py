"""What becomes of a connection that meets rules: as a plain evaluator has it, for rule sets of chance and by hand."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from audit.firewall.evaluate import ConnectionVerdict, Packet, judge_packet, packet
from audit.firewall.ranges import condensed, spans_of
from audit.observation.firewall import Condition, Firewall, PacketRule, RuleChain
from tests.support.firewall_rules import generated, is_open, outcomes, packets

MAYBE = Condition("unknown")
ACCEPT, REFUSE = PacketRule("accept", text="accept"), PacketRule("refuse", text="drop", number=3)


@pytest.mark.parametrize("part", range(4))
def test_the_walk_tells_what_every_world_comes_to_and_no_more_than_may_be(part: int) -> None:
    told = 0
    for seed in range(part * 100, part * 100 + 100):
        firewall = generated(seed)
        for seen in packets():
            possible, found = outcomes(firewall, seen), judge_packet(firewall, seen).verdict
            if found == "unknown":
                rules = (rule for chain in firewall.chains for rule in chain.rules)
                assert any(is_open(one, seen) for rule in rules for one in rule.conditions), (seed, seen)
            else:
                told += 1
                assert possible == {found}, (seed, seen)
            if len(possible) == 2:
                assert found == "unknown", (seed, seen)
    assert told > 1000


def test_without_any_rule_everybody_is_admitted() -> None:
    assert judge_packet(Firewall(), packet("192.0.2.1", 80)) == ConnectionVerdict("accepted")


def test_the_rule_that_refuses_is_named_with_its_chain() -> None:
    chains = (
        RuleChain("table t", "in", (PacketRule("pass"), PacketRule("jump", target="deny", text="jump deny")), 0),
        RuleChain("table t", "deny", (REFUSE,)),
    )
    assert judge_packet(Firewall(chains), packet("192.0.2.1", 80)) == ConnectionVerdict(
        "refused", "table t, chain deny, rule 3: drop"
    )


def test_a_policy_that_refuses_is_named() -> None:
    found = judge_packet(Firewall((RuleChain("t", "in", (), 0, "refuse"),)), packet("192.0.2.1", 80))
    assert found == ConnectionVerdict("refused", "t, chain in: no rule accepts it, and the default policy refuses it")


def test_a_chain_of_another_ip_version_is_not_met() -> None:
    firewall = Firewall((RuleChain("t", "in", (), 0, "refuse", version=6),))
    assert judge_packet(firewall, packet("192.0.2.1", 80)).verdict == "accepted"
    assert judge_packet(firewall, packet("2001:db8::1", 80)).verdict == "refused"


def test_an_accept_in_one_chain_does_not_keep_a_later_one_from_refusing() -> None:
    late, early = RuleChain("t", "late", (REFUSE,), 5), RuleChain("t", "early", (ACCEPT,), -5)
    assert judge_packet(Firewall((late, early)), packet("192.0.2.1", 80)).verdict == "refused"


def test_what_leaves_it_open_is_named() -> None:
    rules = (PacketRule("accept", (MAYBE,), text="@geo accept", number=1), REFUSE)
    found = judge_packet(Firewall((RuleChain("t", "in", rules, 0),)), packet("192.0.2.1", 80))
    assert found == ConnectionVerdict("unknown", "t, chain in, rule 1: @geo accept")


def test_both_ways_to_the_same_end_are_no_doubt() -> None:
    rules = (PacketRule("refuse", (MAYBE,), text="maybe", number=1), REFUSE)
    assert judge_packet(Firewall((RuleChain("t", "in", rules, 0),)), packet("192.0.2.1", 80)).verdict == "refused"


@pytest.mark.parametrize(
    "rule",
    [PacketRule("elsewhere", text="queue"), PacketRule("jump", target="gone"), PacketRule("goto", target="in")],
)
def test_what_becomes_of_it_elsewhere_or_in_circles_is_not_known(rule: PacketRule) -> None:
    assert judge_packet(Firewall((RuleChain("t", "in", (rule,), 0),)), packet("192.0.2.1", 80)).verdict == "unknown"


def test_a_ladder_of_jumps_is_walked_once_and_not_twice_as_often_at_each_rung() -> None:
    rungs = [
        RuleChain("t", str(n), (PacketRule("jump", (MAYBE,), str(n + 1)), PacketRule("jump", target=str(n + 1))))
        for n in range(1, 15)
    ]
    ladder = (
        RuleChain("t", "in", (PacketRule("jump", target="1"),), 0),
        *rungs,
        RuleChain("t", "15", (REFUSE,)),
    )
    assert judge_packet(Firewall(ladder), packet("192.0.2.1", 80)).verdict == "refused"


def test_spans_that_touch_are_one() -> None:
    assert spans_of([(5, 6), (1, 2), (3, 4), (9, 9), (5, 5)]) == ((1, 6), (9, 9))


def test_a_long_list_of_addresses_is_one_rule_and_refuses_whom_it_refused() -> None:
    def blocking(numbers: Iterable[int]) -> list[PacketRule]:
        spans = ((n, (Condition("source", ((n, n),), version=4),)) for n in numbers)
        return [PacketRule("refuse", asked, text=f"-s {n}", number=n) for n, asked in spans]

    few, many = blocking(range(1, 5)), blocking(range(10, 500, 2))
    rules = [*few, ACCEPT, *many, PacketRule("refuse", (MAYBE,), text="maybe"), *blocking([999])]
    found = tuple(condensed(rules))
    assert [rule.text for rule in found] == [
        *(rule.text for rule in few), "accept", "one of 245 rules for addresses, the first of which is -s 10", "maybe",
        "-s 999",
    ]  # fmt: skip
    for source in (*range(12), *range(12, 1010, 31), 998, 999):
        seen = Packet(source, 4, 80)
        for each in (rules[5:], rules):
            whole, short = (Firewall((RuleChain("t", "in", tuple(one), 0),)) for one in (each, condensed(each)))
            assert judge_packet(whole, seen).verdict == judge_packet(short, seen).verdict
