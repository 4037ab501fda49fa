"""Long runs of rules that differ in the address alone, as one rule: blocklists that are written rule by rule.

It changes nothing of what becomes of a connection. Runs that a person could read are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from audit.firewall_walk import spans_of
from audit.observation.firewall import Action, Condition, Rule

_READABLE: Final = 50  # rules
_ALIKE: Final[tuple[Action, ...]] = ("accept", "refuse")


def condensed(rules: Iterable[Rule]) -> Iterator[Rule]:
    """Yield the rules, those of a long run as one that has the number and the text of the first."""
    for kind, group in groupby(rules, key=_kind):
        run = tuple(group)
        yield from run if kind is None or len(run) < _READABLE else (_as_one(run),)


def _kind(rule: Rule) -> tuple[Action, int] | None:
    """Return what rules of one run have in common; None for one that is of none."""
    match rule.conditions:
        case (Condition(asked="source", is_negated=False, version=version),) if version and rule.action in _ALIKE:
            return rule.action, version
    return None


def _as_one(run: tuple[Rule, ...]) -> Rule:
    first = run[0]
    spans = spans_of(span for rule in run for span in rule.conditions[0].spans)
    condition = Condition("source", spans, version=first.conditions[0].version)
    text = f"one of {len(run)} rules for addresses, the first of which is {first.text}"
    return Rule(first.action, (condition,), first.target, text, first.number)
