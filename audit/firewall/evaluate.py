"""Evaluates firewall rules for a new TCP connection: accepted, refused by a rule, or undecided.

If it is unknown whether a rule holds, both outcomes are followed.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from audit.observation.firewall import Condition, Firewall, PacketRule, RuleChain, Span

_DEPTH: Final = 16  # jumps within jumps, as many as nftables allows


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection; `destinations` are the host's addresses to which it may be sent."""

    source: int
    version: int
    port: int
    destinations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """One way in which a chain may end, and the rule that ends it."""

    kind: Literal["accept", "refuse", "elsewhere"]
    because: str


@dataclass(frozen=True, slots=True)
class ConnectionVerdict:
    """The verdict on a connection; `because` names the rule that refuses it or that is undecided."""

    verdict: Literal["accepted", "refused", "unknown"]
    because: str = ""


@dataclass(frozen=True, slots=True)
class ChainOutcome:
    """All ways in which a chain may end; `doubt` names an undecided rule.

    `falls_through` is true if it may end without a verdict.
    """

    ends: tuple[End, ...] = ()
    falls_through: bool = True
    doubt: str = ""


def packet(address: str, port: int, destinations: Iterable[str] = ()) -> Packet:
    """Return the first packet of a connection from an address."""
    source = ipaddress.ip_address(address)
    parsed = map(ipaddress.ip_address, destinations)
    own = tuple(int(destination) for destination in parsed if destination.version == source.version)
    return Packet(int(source), source.version, port, own)


def judge_packet(firewall: Firewall, connection: Packet) -> ConnectionVerdict:
    """Return the verdict on a connection: each chain with a stage must accept it, and any of them can refuse it."""
    evaluation, doubt = _Evaluation(firewall, connection), ""
    base = [chain for chain in firewall.chains if chain.stage is not None and chain.version in (0, connection.version)]
    for chain in sorted(base, key=lambda chain: chain.stage or 0):
        outcome = evaluation.chain(chain)
        policy = f"{_place(chain)}: no rule accepts it, and the default policy refuses it"
        ends = (*outcome.ends, *([End(chain.policy, policy)] if outcome.falls_through else []))
        refusing = [end for end in ends if end.kind == "refuse"]
        if refusing and len(refusing) == len(ends):
            return ConnectionVerdict("refused", refusing[0].because)
        open_ends = [end for end in ends if end.kind != "accept"]
        if open_ends:
            doubt = doubt or outcome.doubt or open_ends[0].because
    return ConnectionVerdict("unknown", doubt) if doubt else ConnectionVerdict("accepted")


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """The evaluation of one connection; each chain is evaluated once, even if several rules jump to it."""

    firewall: Firewall
    connection: Packet
    known: dict[tuple[str, str], ChainOutcome] = field(default_factory=dict)

    def chain(self, chain: RuleChain, depth: int = 0) -> ChainOutcome:
        """Return how a chain may end."""
        key = (chain.table, chain.name)
        if key not in self.known:
            loop = End("elsewhere", f"{_place(chain)} jumps in a loop")
            self.known[key] = ChainOutcome((loop,))  # while it is evaluated
            self.known[key] = self._through(chain, depth)
        return self.known[key]

    def _through(self, chain: RuleChain, depth: int) -> ChainOutcome:
        ends, doubt, returns = dict[End, None](), "", False
        for rule in chain.rules:
            holds = _all(_holds(condition, self.connection) for condition in rule.conditions)
            if holds is False or rule.action == "pass":
                continue
            place = _place_of(chain, rule)
            step = self._step(chain, rule, place, depth)
            ends |= dict.fromkeys(step.ends)
            doubt = doubt or step.doubt or ("" if holds else place)
            returns = returns or (step.falls_through and rule.action in ("return", "goto"))
            if holds and (not step.falls_through or rule.action in ("return", "goto")):
                return ChainOutcome(tuple(ends), returns, doubt)
        return ChainOutcome(tuple(ends), falls_through=True, doubt=doubt)

    def _step(self, chain: RuleChain, rule: PacketRule, place: str, depth: int) -> ChainOutcome:
        """Return how a rule that holds ends."""
        match rule.action:
            case "accept" | "refuse" | "elsewhere":
                return ChainOutcome((End(rule.action, place),), falls_through=False)
            case "jump" | "goto":
                target = self._target(chain, rule.target)
                if target is None or depth >= _DEPTH:
                    return ChainOutcome((End("elsewhere", place),))
                return self.chain(target, depth + 1)
        return ChainOutcome()

    def _target(self, chain: RuleChain, name: str) -> RuleChain | None:
        chains = (candidate for candidate in self.firewall.chains if candidate.table == chain.table)
        return next((candidate for candidate in chains if candidate.name == name), None)


def _place(chain: RuleChain) -> str:
    return f"{chain.table}, chain {chain.name}"


def _place_of(chain: RuleChain, rule: PacketRule) -> str:
    number = f", rule {rule.number}" if rule.number else ""
    return f"{_place(chain)}{number}: {rule.text}"


def _all(conditions: Iterable[bool | None]) -> bool | None:
    """Return whether all conditions hold: False if any does not, else None if any is undecided."""
    result: bool | None = True
    for holds in conditions:
        if holds is False:
            return False
        result = result if holds else None
    return result


def _holds(condition: Condition, connection: Packet) -> bool | None:
    """Return whether a condition holds; None if that is undecided."""
    if condition.version not in (0, connection.version):
        return False
    holds: bool | None = None
    if condition.asked == "source":
        holds = _within(condition.spans, connection.source)
    elif condition.asked == "port":
        holds = _within(condition.spans, connection.port)
    elif condition.asked == "destination":
        results = {_within(condition.spans, address) for address in connection.destinations}
        holds = results.pop() if len(results) == 1 else None
    return holds if holds is None else holds is not condition.is_negated


def _within(spans: tuple[Span, ...], number: int) -> bool:
    index = bisect_right(spans, number, key=lambda span: span[0]) - 1
    return index >= 0 and number <= spans[index][1]
