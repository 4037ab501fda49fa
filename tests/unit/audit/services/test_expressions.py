"""Tests of the expressions of servers that are matched without backtracking."""

from __future__ import annotations

import re
from typing import Final

import pytest

from audit.services.challenge_path import SAMPLES, expression_matches
from audit.services.challenge_path.expression import matches_within_bounds

PATH: Final = SAMPLES[0]
TEXTS: Final = (PATH, "/", "", "/app/a.php", "/A/B/c.TXT", "aab", "ab\\c]-")


@pytest.mark.parametrize(
    "expression",
    [
        "^/(a|ab)*$", "(?:/[^/]+)+$", "^/((?!\\.well-known).)*$", "(/[a-z.-]+){2}/", "^(/\\w+){1,3}\\.php$", "(a?)+b",
        "(^|/)\\.(?!well-known)", "(?P<x>\\.[a-z]{2,4})+$", "(\\d|[A-F])+\\.txt$", "((a*)*)*c$",
        "([^\\]\\\\-])+$", "(x|)+$", "^(?:/(?:a|b)+)?/?$", "(?=.*txt)(.)+$", "(.)*\\Z",
        "\\A(\\S)*\\s?$", "(ab|a)+?b", "(a{0,2})+b$",
    ],
)  # fmt: skip
def test_result_is_that_of_backtracking(expression: str) -> None:
    for text in TEXTS:
        assert matches_within_bounds(expression, text) == bool(re.search(expression, text)), text
        ignored = bool(re.search(expression, text, re.IGNORECASE))
        assert matches_within_bounds(expression, text, ignores_case=True) == ignored, text
        assert matches_within_bounds(f"(?i){expression}", text) == ignored, text


@pytest.mark.parametrize(
    "expression", ["^(a+)+$", "^(a|a)*$", "^((a*)*)*$", "(.*)*=(.*)*=(.*)*", "^(a|aa){9,99}$", "^" + "a*" * 60 + "$"]
)
def test_expression_that_could_take_long_is_decided(expression: str) -> None:
    assert expression_matches(expression, "a" * 64 + "!") is False


@pytest.mark.parametrize(
    "expression",
    ["(?>a+)+", "(a)++", "(a)+*", "(a)+{2}", "(?<=a)(b)+", "(a+", "(a))+", "([[:alpha:]])+", "(\\pL)+", "*(a)+",
     "([a-\\d])+", "(\\", "([a", "(" * 200 + "a" + ")+" * 90, "((((a?){99}){99}){99}){99}$", "(a)+\\1"],
)  # fmt: skip
def test_other_syntax_and_too_many_steps_are_not_decided(expression: str) -> None:
    assert expression_matches(expression, PATH) is None


def test_quantified_group_of_a_location_is_decided() -> None:
    assert expression_matches("^/(?:.+/)*\\.(?!well-known/)", PATH) is False
    assert expression_matches("^(/[^/]+)+\\.txt$", PATH) is True
    assert expression_matches("^/(?<folder>[^/]+)/", PATH) is True
