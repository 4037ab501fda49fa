"""Narrows tests that report many results to those that `-k` and `--deselect` leave, as if each result had a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from _pytest.mark import KeywordMatcher, deselect_by_keyword
from _pytest.mark.expression import Expression

from audit.endpoint import Endpoint
from pytest_sslaudit.items.check_item import parameter_of
from pytest_sslaudit.items.grouped_items import CheckOfAll

_Keeps = Callable[[CheckOfAll, Endpoint], bool]


def narrow(items: list[pytest.Item], config: pytest.Config) -> None:
    """Apply `-k` to all tests, and `--deselect` to the results of those that report many; raises pytest.UsageError."""
    others = [item for item in items if not isinstance(item, CheckOfAll)]
    deselect_by_keyword(others, config)  # and refuses an expression that it cannot read
    kept, left_out = set(others), list[pytest.Item]()
    narrowed = dict[pytest.Item, CheckOfAll]()
    conditions = _conditions(config)
    for item in items:
        if isinstance(item, CheckOfAll):
            chosen = [endpoint for endpoint in item.endpoints if all(keeps(item, endpoint) for keeps in conditions)]
            if len(chosen) < len(item.endpoints):
                wanted = set(chosen)
                left_out.append(item.limited_to([endpoint for endpoint in item.endpoints if endpoint not in wanted]))
            if chosen:
                narrowed[item] = item if len(chosen) == len(item.endpoints) else item.limited_to(chosen)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    items[:] = [narrowed.get(item, item) for item in items if item in kept or item in narrowed]


def _conditions(config: pytest.Config) -> list[_Keeps]:
    """Return what a result must meet to be kept; none if no option narrows the run."""
    conditions = list[_Keeps]()
    expression, prefixes = config.option.keyword.strip(), tuple(config.option.deselect or ())
    if expression:
        conditions.append(_matching(Expression.compile(expression)))
    if prefixes:
        conditions.append(lambda item, endpoint: not item.node_of(endpoint).startswith(prefixes))
    return conditions


def _matching(expression: Expression) -> _Keeps:
    names_of = dict[CheckOfAll, Sequence[str]]()

    def keeps(item: CheckOfAll, endpoint: Endpoint) -> bool:
        if item not in names_of:
            names_of[item] = [name.lower() for name in KeywordMatcher.from_item(item)._names]  # noqa: SLF001 - pytest has no public way
        names = (*names_of[item], f"{item.name}[{parameter_of(endpoint)}]".lower())
        return expression.evaluate(lambda word, /, **_: any(word.lower() in name for name in names))

    return keeps
