"""Ranges of addresses and ports, and long blocklists as one rule."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from audit.observation.firewall import Action, Condition, PacketRule, Span

LAST: Final = {4: 2**32 - 1, 6: 2**128 - 1}
MAYBE: Final = Condition("unknown")
NEVER: Final = Condition("source")
ALWAYS: Final = Condition("source", is_negated=True)
PORTS: Final = {"http": 80, "www": 80, "https": 443, "ssh": 22, "smtp": 25, "domain": 53}  # as some programs write them
_READABLE: Final = 50  # rules
_ALIKE: Final[tuple[Action, ...]] = ("accept", "refuse")


def of_addresses(text: str) -> tuple[int, Span]:
    """Return the IP version and the span of `192.0.2.1`, `192.0.2.0/24` or `192.0.2.1-192.0.2.9`; raises ValueError."""
    first, dash, last = text.partition("-")
    if dash:
        ends = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
        if ends[0].version != ends[1].version:
            raise ValueError(f"{text!r} is of two IP versions")
        return ends[0].version, (int(ends[0]), int(ends[1]))
    network = ipaddress.ip_network(text.strip(), strict=False)
    return network.version, (int(network.network_address), int(network.broadcast_address))


def of_ports(text: str) -> Span:
    """Return the span of `80`, `80:90`, `80-90` or `http`; raises ValueError."""
    first, _, last = text.replace("-", ":").partition(":")
    low, high = _port(first, 0), _port(last or first, 65_535)
    return (low, high)


def _port(text: str, otherwise: int) -> int:
    name = text.strip().lower()
    if name in PORTS:
        return PORTS[name]
    return int(name) if name else otherwise


def of_version(version: int) -> Condition:
    """Return the condition that a connection is of an IP version."""
    return Condition("source", ((0, LAST[version]),), version=version)


def folded(holds: bool, *, is_negated: bool = False) -> Condition:  # noqa: FBT001 - what it folds
    """Return the condition that always or never holds."""
    return ALWAYS if holds is not is_negated else NEVER


def condensed(rules: Iterable[PacketRule]) -> Iterator[PacketRule]:
    """Yield the rules; a long run becomes one rule with the number and the text of the first."""
    for kind, group in groupby(rules, key=_kind):
        run = tuple(group)
        yield from run if kind is None or len(run) < _READABLE else (_as_one(run),)


def _kind(rule: PacketRule) -> tuple[Action, int] | None:
    """Return what the rules of one run have in common; None if a rule is in no run."""
    match rule.conditions:
        case (Condition(asked="source", is_negated=False, version=version),) if version and rule.action in _ALIKE:
            return rule.action, version
    return None


def _as_one(run: tuple[PacketRule, ...]) -> PacketRule:
    first = run[0]
    spans = spans_of(span for rule in run for span in rule.conditions[0].spans)
    condition = Condition("source", spans, version=first.conditions[0].version)
    text = f"one of {len(run)} rules for addresses, the first of which is {first.text}"
    return PacketRule(first.action, (condition,), first.target, text, first.number)


def spans_of(ranges: Iterable[Span]) -> tuple[Span, ...]:
    """Return the ranges in order, with ranges that touch merged."""
    merged: list[Span] = []
    for first, last in sorted((span[0], span[1]) for span in ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)
