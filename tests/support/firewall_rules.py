"""Rule sets made at random, and a small evaluator of its own that they are tried with: one world at a time.

Where a rule asks what is not known, every way in which the unknown may be is tried; what they all come to is known.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Literal

from audit.firewall.evaluate import Packet
from audit.observation.firewall import Action, Asked, Condition, Firewall, PacketRule, RuleChain

ACTIONS: tuple[Action, ...] = ("accept", "accept", "refuse", "refuse", "jump", "goto", "return", "pass")
ASKED: tuple[Asked, ...] = ("source", "source", "port", "destination", "unknown")
CHAINS = ("base", "late", "a", "b")


def generated(seed: int) -> Firewall:
    """Return a firewall of two chains that every connection meets, and two that are jumped to, in no circle."""
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
    asked = dice.choice(ASKED)
    spans = () if asked == "unknown" else ((dice.randint(0, 3), dice.randint(3, 7)),)
    return Condition(asked, spans, dice.random() < 0.3 and asked != "unknown", dice.choice((0, 0, 4, 6)))


def packets() -> Iterator[Packet]:
    """Yield connections that differ in all that a rule may ask."""
    for source, port, version, own in product((1, 3, 6), (2, 5), (4, 6), ((), (2,), (1, 7))):
        yield Packet(source, version, port, own)


def outcomes(firewall: Firewall, seen: Packet) -> set[str]:
    """Return what a connection may come to: each way in which the unknown may be, one after another."""
    unknown = [
        (chain.name, number, place)
        for chain in firewall.chains
        for number, rule in enumerate(chain.rules)
        for place, condition in enumerate(rule.conditions)
        if is_open(condition, seen)
    ]
    return {
        _outcome(firewall, seen, dict(zip(unknown, guess, strict=True)))
        for guess in product((False, True), repeat=len(unknown))
    }


def is_open(condition: Condition, seen: Packet) -> bool:
    """Tell whether it cannot be told whether a condition holds."""
    if condition.version not in (0, seen.version):
        return False
    if condition.asked == "destination":
        return len({any(a <= one <= b for a, b in condition.spans) for one in seen.destinations}) != 1
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
    """Follow a connection rule by rule with a stack of where to come back to, as the kernel does."""
    stack: list[tuple[str, int]] = []
    here, number = chain.name, 0
    while True:
        if number >= len(named[here].rules):
            if not stack:
                return chain.policy
            here, number = stack.pop()
            continue
        rule = named[here].rules[number]
        holds = all(
            guess[here, number, place] if (here, number, place) in guess else _is_met(condition, seen)
            for place, condition in enumerate(rule.conditions)
        )
        number += 1
        if not holds or rule.action == "pass":
            continue
        if rule.action in ("accept", "refuse"):
            return rule.action
        if rule.action == "jump":
            stack.append((here, number))
        if rule.action in ("jump", "goto"):
            here, number = rule.target, 0
        else:
            number = len(named[here].rules)


def _is_met(condition: Condition, seen: Packet) -> bool:
    if condition.version not in (0, seen.version):
        return False
    values = {"source": (seen.source,), "port": (seen.port,), "destination": seen.destinations[:1]}[condition.asked]
    return any(a <= one <= b for a, b in condition.spans for one in values) is not condition.is_negated
