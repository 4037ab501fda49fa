"""Reads the rules of nftables as `nft -j list ruleset` prints them: chains and verdicts of libnftables' JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from audit.firewall.nftables_match import Sets, Table
from audit.firewall.nftables_text import said
from audit.firewall.ranges import ALWAYS, MAYBE, NEVER, condensed
from audit.observation.firewall import Action, Condition, PacketRule, RuleChain

_VERSIONS: Final = {"ip": 4, "ip6": 6, "inet": 0, "netdev": 0}
HOOKS: Final = {"ingress": -1_000_000, "prerouting": 0, "input": 1_000_000}  # further apart than priorities
_NOTHING: Final = ("counter", "log", "mangle", "notrack", "last", "comment", "quota")
_ENDS: Final[Mapping[str, Action]] = {
    "accept": "accept", "drop": "refuse", "reject": "refuse", "return": "return", "continue": "pass", "jump": "jump",
    "goto": "goto", "queue": "elsewhere", "dnat": "elsewhere", "redirect": "elsewhere", "tproxy": "elsewhere",
    "fwd": "elsewhere", "synproxy": "elsewhere",
}  # fmt: skip


def read_nftables(text: str, interfaces: Sequence[str] = ()) -> tuple[RuleChain, ...]:
    """Return the chains that connections meet; `interfaces` are those they come in by.

    Raises ValueError for what is no ruleset.
    """
    try:
        return _read(json.loads(text)["nftables"], interfaces)
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"no ruleset of nftables: {error!r}") from error


def _read(entries: Sequence[Mapping[str, Any]], interfaces: Sequence[str]) -> tuple[RuleChain, ...]:
    asleep = {(one["family"], one["name"]) for one in _of(entries, "table") if "dormant" in one.get("flags", ())}
    sets: Sets = {_key(one): one.get("elem", ()) for kind in ("set", "map") for one in _of(entries, kind)}
    found: dict[tuple[str, str, str], tuple[Mapping[str, Any], list[PacketRule]]] = {
        _key(one): (one, [])
        for one in _of(entries, "chain")
        if one["family"] in _VERSIONS and (one["family"], one["table"]) not in asleep
    }
    counts: Counter[tuple[str, str, str]] = Counter()
    for one in _of(entries, "rule"):
        key = (one["family"], one["table"], one["chain"])
        if key in found:
            counts[key] += 1
            table = Table(one["family"], one["table"], sets, interfaces)
            found[key][1].extend(replace(rule, number=counts[key]) for rule in _rules(one["expr"], table))
    return tuple(_chain(one, rules) for one, rules in found.values())


def _of(entries: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Mapping[str, Any]]:
    yield from (entry[kind] for entry in entries if kind in entry)


def _key(one: Mapping[str, Any]) -> tuple[str, str, str]:
    return one["family"], one["table"], one["name"]


def _chain(one: Mapping[str, Any], rules: Sequence[PacketRule]) -> RuleChain:
    hook = one.get("hook")
    return RuleChain(
        f"nftables, table {one['family']} {one['table']}",
        one["name"],
        tuple(condensed(rules)),
        stage=HOOKS[hook] + int(one.get("prio", 0)) if hook in HOOKS else None,
        policy="refuse" if one.get("policy") == "drop" else "accept",
        version=_VERSIONS[one["family"]],
    )


def _rules(expression: Sequence[Mapping[str, Any]], table: Table) -> Iterator[PacketRule]:
    """Yield what a rule of nftables is: one of ours, or for a map of verdicts one for each of its elements."""
    conditions: list[Condition] = []
    text = said(expression)
    for part in expression:
        ((kind, value),) = part.items()
        if kind == "vmap":
            yield from _mapped(value, conditions, table, text)
        elif kind in _ENDS:
            yield PacketRule(_ENDS[kind], tuple(conditions), _target(kind, value), text)
            return
        elif kind == "xt" and value.get("type") == "target":  # of iptables: which it is stands in iptables-save
            yield PacketRule("elsewhere", (*conditions, MAYBE), text=text)
        elif kind not in _NOTHING:
            conditions.append(_condition(kind, value, table))


def _condition(kind: str, value: Any, table: Table) -> Condition:  # noqa: ANN401 - any JSON value
    """Return the condition of a statement that is no verdict; one connection is within any limit, and over none."""
    match kind, value:
        case "match", {"left": left, "right": right, **rest}:
            return table.match(left, str(rest.get("op", "==")), right)
        case (("limit" | "ct count"), _):
            return NEVER if isinstance(value, Mapping) and value.get("inv") else ALWAYS
        case (("set" | "map"), {"stmt": [one, *_]}):
            ((inner, said_of_it),) = one.items()
            return _condition(inner, said_of_it, table)
        case (("set" | "map"), _):
            return ALWAYS
    return MAYBE


def _mapped(value: Mapping[str, Any], before: Sequence[Condition], table: Table, text: str) -> Iterator[PacketRule]:
    """Yield a rule for each element of a map of verdicts; one whose elements are not known may do anything."""
    elements = table.elements(value["data"])
    if elements is None:
        yield PacketRule("elsewhere", (*before, MAYBE), text=text)
        return
    for key, verdict in elements:
        ((kind, target),) = verdict.items()
        keys = [one for one in table.elements(key) or () if one != "*"]
        condition = table.match(value["key"], "==", {"set": keys}) if keys else ALWAYS
        yield PacketRule(_ENDS.get(kind, "elsewhere"), (*before, condition), _target(kind, target), text)


def _target(kind: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    return str(value["target"]) if kind in ("jump", "goto") else ""
