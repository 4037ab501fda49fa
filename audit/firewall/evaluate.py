"""Evaluates firewall rules for a new TCP connection: admitted, refused by a rule, or undecided.

If a rule depends on something that is unknown here, both outcomes are followed.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from audit.observation.firewall import Condition, Firewall, PacketRule, RuleChain, Span

_DEPTH: Final = 16  # jumps within jumps, as many as nftables admits


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection; `destinations` are the addresses of the host it may be sent to."""

    source: int
    version: int
    port: int
    destinations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """One way in which a chain may end, and by which rule."""

    kind: Literal["accept", "refuse", "elsewhere"]
    because: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a connection; `because` names the rule, or the one that leaves it open."""

    verdict: Literal["admitted", "refused", "unknown"]
    because: str = ""


@dataclass(frozen=True, slots=True)
class Walked:
    """All ways in which a chain may end; `falls` where none of them may be taken, `doubt` is what leaves it open."""

    ends: tuple[End, ...] = ()
    falls: bool = True
    doubt: str = ""


def packet(address: str, port: int, destinations: Iterable[str] = ()) -> Packet:
    """Return the first packet of a connection from an address."""
    source = ipaddress.ip_address(address)
    own = (ipaddress.ip_address(one) for one in destinations)
    return Packet(int(source), source.version, port, tuple(int(one) for one in own if one.version == source.version))


def answer(firewall: Firewall, seen: Packet) -> Answer:
    """Return what becomes of a connection: each chain with a stage has to accept it, and one that refuses is enough."""
    walk, doubt = _Walk(firewall, seen), ""
    base = [one for one in firewall.chains if one.stage is not None and one.version in (0, seen.version)]
    for chain in sorted(base, key=lambda one: one.stage or 0):
        walked = walk.chain(chain)
        policy = f"{_place(chain)}: no rule admits it, and the policy is to refuse"
        ends = (*walked.ends, *([End(chain.policy, policy)] if walked.falls else []))
        refusing = [end for end in ends if end.kind == "refuse"]
        if refusing and len(refusing) == len(ends):
            return Answer("refused", refusing[0].because)
        open_ends = [end for end in ends if end.kind != "accept"]
        if open_ends:
            doubt = doubt or walked.doubt or open_ends[0].because
    return Answer("unknown", doubt) if doubt else Answer("admitted")


@dataclass(frozen=True, slots=True)
class _Walk:
    """One connection on its way; each chain is walked once, even if several rules jump to it."""

    firewall: Firewall
    seen: Packet
    known: dict[tuple[str, str], Walked] = field(default_factory=dict)

    def chain(self, chain: RuleChain, depth: int = 0) -> Walked:
        """Return how a chain may end."""
        key = (chain.table, chain.name)
        if key not in self.known:
            self.known[key] = Walked(
                (End("elsewhere", f"{_place(chain)} jumps in circles"),)
            )  # as long as it is walked
            self.known[key] = self._through(chain, depth)
        return self.known[key]

    def _through(self, chain: RuleChain, depth: int) -> Walked:
        ends, doubt, returns = dict[End, None](), "", False
        for rule in chain.rules:
            holds = _all(_holds(one, self.seen) for one in rule.conditions)
            if holds is False or rule.action == "pass":
                continue
            place = _place_of(chain, rule)
            step = self._step(chain, rule, place, depth)
            ends |= dict.fromkeys(step.ends)
            doubt = doubt or step.doubt or ("" if holds else place)
            returns = returns or (step.falls and rule.action in ("return", "goto"))
            if holds and (not step.falls or rule.action in ("return", "goto")):
                return Walked(tuple(ends), returns, doubt)
        return Walked(tuple(ends), falls=True, doubt=doubt)

    def _step(self, chain: RuleChain, rule: PacketRule, place: str, depth: int) -> Walked:
        """Return how a rule ends that holds."""
        match rule.action:
            case "accept" | "refuse" | "elsewhere":
                return Walked((End(rule.action, place),), falls=False)
            case "jump" | "goto":
                target = self._target(chain, rule.target)
                if target is None or depth >= _DEPTH:
                    return Walked((End("elsewhere", place),))
                return self.chain(target, depth + 1)
        return Walked()

    def _target(self, chain: RuleChain, name: str) -> RuleChain | None:
        return next((one for one in self.firewall.chains if (one.table, one.name) == (chain.table, name)), None)


def _place(chain: RuleChain) -> str:
    return f"{chain.table}, chain {chain.name}"


def _place_of(chain: RuleChain, rule: PacketRule) -> str:
    number = f", rule {rule.number}" if rule.number else ""
    return f"{_place(chain)}{number}: {rule.text}"


def _all(each: Iterable[bool | None]) -> bool | None:
    """Return whether all hold: one that does not is enough, and else one that is not known."""
    whole: bool | None = True
    for one in each:
        if one is False:
            return False
        whole = whole if one else None
    return whole


def _holds(condition: Condition, seen: Packet) -> bool | None:
    """Return whether a condition holds; None if that is undecided."""
    if condition.version not in (0, seen.version):
        return False
    found: bool | None = None
    if condition.asked == "source":
        found = _within(condition.spans, seen.source)
    elif condition.asked == "port":
        found = _within(condition.spans, seen.port)
    elif condition.asked == "destination":
        each = {_within(condition.spans, one) for one in seen.destinations}
        found = each.pop() if len(each) == 1 else None
    return found if found is None else found is not condition.is_negated


def _within(spans: tuple[Span, ...], number: int) -> bool:
    index = bisect_right(spans, number, key=lambda span: span[0]) - 1
    return index >= 0 and number <= spans[index][1]
