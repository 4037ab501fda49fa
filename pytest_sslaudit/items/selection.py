"""Selects tests by `-m sslaudit`, by `-k` with the id of a check, and by `--audit-check`, and puts them in order.

A test that reports many results is narrowed to those that a test of one result would be selected for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Iterator, Sequence
from typing import Final

import pytest

from audit.analysis.reachability import UNREACHABLE
from audit.checks import check_ids
from audit.json_codec import nearest
from audit.text import matches_glob
from pytest_sslaudit.items.check_item import CheckItem, keyword_of
from pytest_sslaudit.items.grouped_items import CheckOfAll, endpoint_items
from pytest_sslaudit.items.narrowing import narrow
from pytest_sslaudit.items.pairs import checks_of, endpoint_of, endpoints_of
from pytest_sslaudit.run_state import current_run

_MARKER: Final = "sslaudit"
_WORD: Final = re.compile(r"[\w:+\-.\[\]\\/]+")
"""A name in an expression of `-k`."""


class Selection:
    """The hooks by which `-m sslaudit`, `-k` with the id of a check, and `--audit-check` select tests."""

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Mark a test of the audit, and let `-k` find a check by its id."""
        if isinstance(item, CheckItem) or not endpoints_of(item):  # which has both
            return
        item.add_marker(_MARKER)
        item.extra_keyword_matches.update(keyword_of(check.id) for check in checks_of(item))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Apply `--audit-check`; let an id in `-k` select only that check, though `-k` compares parts of names."""
        ids = {check.id for item in items for check in checks_of(item)}
        _keep_named_checks(config, items, ids)
        given: str = config.option.keyword
        config.option.keyword = _WORD.sub(lambda word: _keyword(word[0], ids), given)
        try:
            _group(session, items)
            yield
        finally:
            config.option.keyword = given
        _put_endpoints_together(items)


def _group(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Narrow the tests that report many results; make one for each endpoint of them if the run has these."""
    if not any(isinstance(item, CheckOfAll) for item in items):
        return
    narrow(items, session.config)
    session.config.option.keyword = ""  # it is applied
    run = current_run(session.config)
    if run.settings.items == "endpoint":
        checks = [item for item in items if isinstance(item, CheckOfAll)]
        others = [item for item in items if not isinstance(item, CheckOfAll)]
        of_endpoints = list(endpoint_items(session, checks, run.endpoints(("run", "host", "endpoint"))))
        for item in of_endpoints:
            session.config.hook.pytest_itemcollected(item=item)
        items[:] = [*of_endpoints, *others]


def _put_endpoints_together(items: list[pytest.Item]) -> None:
    """Put the tests of an endpoint together: its facts are read once.

    The check of reachability comes first: if it runs again, the others judge what it saw.
    """
    blocks = dict[object, list[pytest.Item]]()
    for item in items:
        blocks.setdefault(endpoint_of(item) or item, []).append(item)
    items[:] = [item for block in blocks.values() for item in sorted(block, key=_is_later)]


def _is_later(item: pytest.Item) -> bool:
    return all(check.id != UNREACHABLE for check in checks_of(item))


def _keyword(word: str, ids: Collection[str]) -> str:
    """Return a word of `-k`, the id of a check as the keyword of that check alone."""
    return keyword_of(word) if word.lower() in ids else word


def _keep_named_checks(config: pytest.Config, items: list[pytest.Item], ids: Collection[str]) -> None:
    """Deselect the tests that `--audit-check` does not name; `ids` are those of the checks of this run."""
    globs: list[str] = config.option.audit_check or []
    if not globs:
        return
    chosen = {
        item for item in items if any(matches_glob(glob, check.id) for check in checks_of(item) for glob in globs)
    }
    run = current_run(config)
    run.has_named_checks |= bool(chosen)
    is_matched = run.has_named_checks or run.awaits_hosts
    run.usage_errors += _errors_of_globs(globs, {*ids, *check_ids()}, matched=is_matched)
    kept = [item for item in items if item in chosen]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept


def _errors_of_globs(globs: Sequence[str], known: Collection[str], *, matched: bool) -> Iterator[str]:
    """Yield a usage error for each glob that no id of a check matches, else one if no test of this run matches any."""
    unknown = [glob for glob in globs if not any(matches_glob(glob, check_id) for check_id in known)]
    groups = {f"{check_id.partition('.')[0]}.*" for check_id in known}
    for glob in unknown:
        yield f"--audit-check {glob}: no check has this id{nearest(glob, {*known, *groups})}"
    if not unknown and not matched:
        yield f"--audit-check {' '.join(globs)}: these checks do not apply to any host or endpoint of this run"
