"""Which checks of which endpoints a test reports, whatever kind of test it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from audit.analysis.revocation.judgement import REVOKED
from audit.checks import Check, check_of
from audit.endpoint import Endpoint
from pytest_sslaudit import fixtures
from pytest_sslaudit.evidence import CollectedTests
from pytest_sslaudit.items.check_item import CheckItem
from pytest_sslaudit.items.grouped_items import CheckOfAll, EndpointItem
from pytest_sslaudit.run_state import Run


def judged(item: pytest.Item) -> tuple[Check | None, Endpoint | None]:
    """Return the check and the endpoint of a test of one result, None for each that it has not."""
    return check_of(getattr(item, "function", None)), endpoint_of(item)


def endpoint_of(item: pytest.Item) -> Endpoint | None:
    """Return the endpoint of a test; None if it is not parametrized by this plugin, or reports many endpoints."""
    if isinstance(item, CheckItem | EndpointItem):
        return item.endpoint
    callspec = getattr(item, "callspec", None)
    endpoint = None if callspec is None else callspec.params.get(fixtures.OURS)
    return endpoint if isinstance(endpoint, Endpoint) else None


def endpoints_of(item: pytest.Item) -> tuple[Endpoint, ...]:
    """Return the endpoints that a test reports; none if it is not parametrized by this plugin."""
    if isinstance(item, CheckOfAll):
        return item.endpoints
    endpoint = endpoint_of(item)
    return () if endpoint is None else (endpoint,)


def checks_of(item: pytest.Item) -> tuple[Check, ...]:
    """Return the checks that a test reports."""
    if isinstance(item, EndpointItem):
        return tuple(test.check for test in item.checks)
    check = check_of(getattr(item, "function", None))
    return () if check is None else (check,)


def tests_of(item: pytest.Item) -> tuple[pytest.Item, ...]:
    """Return the tests of single checks that a test stands for."""
    return item.checks if isinstance(item, EndpointItem) else (item,)


def pairs_of(items: Iterable[pytest.Item]) -> Iterator[tuple[str, str]]:
    """Yield the ids of the check and of the endpoint of each result of these tests."""
    for item in items:
        endpoints, checks = endpoints_of(item), checks_of(item)
        yield from ((check.id, str(endpoint)) for endpoint in endpoints for check in checks)


def collected_tests(items: list[pytest.Item], run: Run) -> CollectedTests:
    """Return the endpoints that the collected tests need, and the usage errors of these tests."""
    endpoints = dict.fromkeys(str(endpoint) for item in items for endpoint in endpoints_of(item))
    of_revocation = [item for item in items if any(check.id == REVOKED for check in checks_of(item))]
    revocation = dict.fromkeys(str(endpoint) for item in of_revocation for endpoint in endpoints_of(item))
    return CollectedTests(tuple(endpoints), tuple(dict.fromkeys(run.usage_errors)), tuple(revocation))
