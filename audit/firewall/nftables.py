"""Reads the rules of nftables as `nft -j list ruleset` prints them: chains and verdicts of libnftables' JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from audit.firewall.nftables_match import Sets, Table
from audit.firewall.nftables_text import rule_text
from audit.firewall.ranges import ALWAYS, MAYBE, NEVER, condensed
from audit.observation.firewall import Action, Condition, PacketRule, RuleChain

_VERSIONS: Final = {"ip": 4, "ip6": 6, "inet": 0, "netdev": 0}
HOOKS: Final = {"ingress": -1_000_000, "prerouting": 0, "input": 1_000_000}  # further apart than priorities
_NO_VERDICT: Final = ("counter", "log", "mangle", "notrack", "last", "comment", "quota")
_ENDS: Final[Mapping[str, Action]] = {
    "accept": "accept", "drop": "refuse", "reject": "refuse", "return": "return", "continue": "pass", "jump": "jump",
    "goto": "goto", "queue": "elsewhere", "dnat": "elsewhere", "redirect": "elsewhere", "tproxy": "elsewhere",
    "fwd": "elsewhere", "synproxy": "elsewhere",
}  # fmt: skip


def read_nftables(text: str, interfaces: Sequence[str] = ()) -> tuple[RuleChain, ...]:
    """Return the chains that connections meet; `interfaces` are those through which they come in.

    Raises ValueError if the text is not a ruleset.
    """
    try:
        return _read(json.loads(text)["nftables"], interfaces)
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a ruleset of nftables: {error!r}") from error


def _read(entries: Sequence[Mapping[str, Any]], interfaces: Sequence[str]) -> tuple[RuleChain, ...]:
    tables = _of(entries, "table")
    dormant = {(table["family"], table["name"]) for table in tables if "dormant" in table.get("flags", ())}
    sets: Sets = {_key(entry): entry.get("elem", ()) for kind in ("set", "map") for entry in _of(entries, kind)}
    chains: dict[tuple[str, str, str], tuple[Mapping[str, Any], list[PacketRule]]] = {
        _key(entry): (entry, [])
        for entry in _of(entries, "chain")
        if entry["family"] in _VERSIONS and (entry["family"], entry["table"]) not in dormant
    }
    counts: Counter[tuple[str, str, str]] = Counter()
    for entry in _of(entries, "rule"):
        key = (entry["family"], entry["table"], entry["chain"])
        if key in chains:
            counts[key] += 1
            scope = Table(entry["family"], entry["table"], sets, interfaces)
            chains[key][1].extend(replace(rule, number=counts[key]) for rule in _rules(entry["expr"], scope))
    return tuple(_chain(entry, rules) for entry, rules in chains.values())


def _of(entries: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Mapping[str, Any]]:
    yield from (entry[kind] for entry in entries if kind in entry)


def _key(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["family"], entry["table"], entry["name"]


def _chain(entry: Mapping[str, Any], rules: Sequence[PacketRule]) -> RuleChain:
    hook = entry.get("hook")
    return RuleChain(
        f"nftables, table {entry['family']} {entry['table']}",
        entry["name"],
        tuple(condensed(rules)),
        stage=HOOKS[hook] + int(entry.get("prio", 0)) if hook in HOOKS else None,
        policy="refuse" if entry.get("policy") == "drop" else "accept",
        version=_VERSIONS[entry["family"]],
    )


def _rules(expression: Sequence[Mapping[str, Any]], table: Table) -> Iterator[PacketRule]:
    """Yield the rule as a value of ours; a map of verdicts yields one rule for each of its elements."""
    conditions: list[Condition] = []
    text = rule_text(expression)
    for part in expression:
        ((kind, value),) = part.items()
        if kind == "vmap":
            yield from _mapped(value, conditions, table, text)
        elif kind in _ENDS:
            yield PacketRule(_ENDS[kind], tuple(conditions), _target(kind, value), text)
            return
        elif kind == "xt" and value.get("type") == "target":  # of iptables: only iptables-save prints it in full
            yield PacketRule("elsewhere", (*conditions, MAYBE), text=text)
        elif kind not in _NO_VERDICT:
            conditions.append(_condition(kind, value, table))


def _condition(kind: str, value: Any, table: Table) -> Condition:  # noqa: ANN401 - any JSON value
    """Return the condition of a statement without a verdict; one connection is within any limit, and over none."""
    match kind, value:
        case "match", {"left": left, "right": right, **rest}:
            return table.match(left, str(rest.get("op", "==")), right)
        case (("limit" | "ct count"), _):
            return NEVER if isinstance(value, Mapping) and value.get("inv") else ALWAYS
        case (("set" | "map"), {"stmt": [statement, *_]}):
            ((inner, inner_value),) = statement.items()
            return _condition(inner, inner_value, table)
        case (("set" | "map"), _):
            return ALWAYS
    return MAYBE


def _mapped(value: Mapping[str, Any], before: Sequence[Condition], table: Table, text: str) -> Iterator[PacketRule]:
    """Yield a rule for each element of a map of verdicts; if the elements are unknown, one with any outcome."""
    elements = table.elements(value["data"])
    if elements is None:
        yield PacketRule("elsewhere", (*before, MAYBE), text=text)
        return
    for key, verdict in elements:
        ((kind, target),) = verdict.items()
        keys = [element for element in table.elements(key) or () if element != "*"]
        condition = table.match(value["key"], "==", {"set": keys}) if keys else ALWAYS
        yield PacketRule(_ENDS.get(kind, "elsewhere"), (*before, condition), _target(kind, target), text)


def _target(kind: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    return str(value["target"]) if kind in ("jump", "goto") else ""
