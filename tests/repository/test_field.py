"""The measurement on configurations from the field: what counts as found, and when a goal is missed."""

from __future__ import annotations

import pytest

from audit.observation.website import Docroot
from bench.field.comparison import Comparison, Kind, Result, docroot_result
from bench.field.score import scores


@pytest.mark.parametrize(
    ("body", "found", "result"),
    [
        ("/srv/a/.well-known/pki-validation/", Docroot("/srv/a"), "right"),
        ("/srv/b/.well-known/pki-validation/", Docroot("/srv/a"), "wrong"),
        (None, Docroot("/srv/a"), "wrong"),
        ("/srv/a/.well-known/pki-validation/", "nginx redirects it", "missed"),
        (None, "nginx redirects it", "right"),
    ],
    ids=["same folder", "another folder", "nothing served", "folder not found", "no folder"],
)
def test_docroot_is_compared_with_the_folder_that_is_served(
    body: str | None, found: Docroot | str, result: Result
) -> None:
    assert docroot_result(body, found) == result


@pytest.mark.parametrize(
    ("kind", "results", "meets_goal"),
    [
        ("sockets", ["right", "named"], True),
        ("sockets", ["right", "missed"], False),
        ("certificates", ["right", "wrong"], False),
        ("docroots", ["right"] * 19 + ["missed"], True),
        ("docroots", ["right"] * 18 + ["missed"], False),
    ],
    ids=["all found", "socket missed", "wrong certificate", "95 % of docroots", "less"],
)
def test_goal_is_missed_by_a_wrong_value_or_too_little_recall(
    kind: Kind, results: list[Result], *, meets_goal: bool
) -> None:
    (score,) = scores({"nginx": [Comparison(kind, result, "") for result in results]})
    assert score.meets_goal is meets_goal
