"""Random rule sets, and a second evaluator for them that follows one packet rule by rule.

If a condition is unknown, the evaluator tries both outcomes and returns every verdict that can follow.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Literal

from audit.firewall.evaluate import Packet
from audit.observation.firewall import Action, Attribute, Condition, Firewall, PacketRule, RuleChain

ACTIONS: tuple[Action, ...] = ("accept", "accept", "refuse", "refuse", "jump", "goto", "return", "pass")
SUBJECTS: tuple[Attribute, ...] = ("source", "source", "port", "destination", "unknown")
CHAINS = ("base", "late", "a", "b")


def generated(seed: int) -> Firewall:
    """Return a firewall of two base chains and two chains that are jumped to, without a cycle."""
    dice = random.Random(seed)  # noqa: S311 - a rule set of a test
    chains = [
        RuleChain("t", name, tuple(_rule(dice, name) for _ in range(dice.randint(0, 4))), stage, _policy(dice))
        for name, stage in zip(CHAINS, (0, 1, None, None), strict=True)
    ]
    dice.shuffle(chains)
    return Firewall(tuple(chains))


def _policy(dice: random.Random) -> Literal["accept", "refuse"]:
    return "accept" if dice.random() < 0.5 else "refuse"


def _rule(dice: random.Random, chain: str) -> PacketRule:
    action = dice.choice(ACTIONS)
    further = {"base": ("a", "b"), "late": ("a", "b"), "a": ("b",), "b": ()}[chain]
    if action in ("jump", "goto") and not further:
        action = "return"
    target = dice.choice(further) if action in ("jump", "goto") else ""
    return PacketRule(action, tuple(_condition(dice) for _ in range(dice.randint(0, 2))), target, f"{action} {target}")


def _condition(dice: random.Random) -> Condition:
    subject = dice.choice(SUBJECTS)
    spans = () if subject == "unknown" else ((dice.randint(0, 3), dice.randint(3, 7)),)
    return Condition(subject, spans, dice.random() < 0.3 and subject != "unknown", dice.choice((0, 0, 4, 6)))


def packets() -> Iterator[Packet]:
    """Yield packets that differ in everything that a condition can compare."""
    for source, port, version, own in product((1, 3, 6), (2, 5), (4, 6), ((), (2,), (1, 7))):
        yield Packet(source, version, port, own)


def outcomes(firewall: Firewall, seen: Packet) -> set[str]:
    """Return the possible verdicts on a packet, over all outcomes of the unknown conditions."""
    unknown = [
        (chain.name, number, place)
        for chain in firewall.chains
        for number, rule in enumerate(chain.rules)
        for place, condition in enumerate(rule.conditions)
        if is_unknown(condition, seen)
    ]
    return {
        _outcome(firewall, seen, dict(zip(unknown, guess, strict=True)))
        for guess in product((False, True), repeat=len(unknown))
    }


def is_unknown(condition: Condition, seen: Packet) -> bool:
    """Return whether it is unknown if a condition holds."""
    if condition.version not in (0, seen.version):
        return False
    if condition.asked == "destination":
        return len({any(a <= value <= b for a, b in condition.spans) for value in seen.destinations}) != 1
    return condition.asked == "unknown"


def _outcome(firewall: Firewall, seen: Packet, guess: dict[tuple[str, int, int], bool]) -> str:
    named = {chain.name: chain for chain in firewall.chains}
    for chain in (named["base"], named["late"]):
        if _verdict(named, chain, seen, guess) == "refuse":
            return "refused"
    return "accepted"


def _verdict(
    named: dict[str, RuleChain], chain: RuleChain, seen: Packet, guess: dict[tuple[str, int, int], bool]
) -> str:
    """Follow a packet rule by rule with a stack of return addresses, as the kernel does."""
    stack: list[tuple[str, int]] = []
    current, number = chain.name, 0
    while True:
        if number >= len(named[current].rules):
            if not stack:
                return chain.policy
            current, number = stack.pop()
            continue
        rule = named[current].rules[number]
        holds = all(
            guess[current, number, place] if (current, number, place) in guess else _is_met(condition, seen)
            for place, condition in enumerate(rule.conditions)
        )
        number += 1
        if not holds or rule.action == "pass":
            continue
        if rule.action in ("accept", "refuse"):
            return rule.action
        if rule.action == "jump":
            stack.append((current, number))
        if rule.action in ("jump", "goto"):
            current, number = rule.target, 0
        else:
            number = len(named[current].rules)


def _is_met(condition: Condition, seen: Packet) -> bool:
    if condition.version not in (0, seen.version):
        return False
    values = {"source": (seen.source,), "port": (seen.port,), "destination": seen.destinations[:1]}[condition.asked]
    return any(a <= value <= b for a, b in condition.spans for value in values) is not condition.is_negated
