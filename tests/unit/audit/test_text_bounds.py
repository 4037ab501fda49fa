"""Tests of the bounds of texts and JSON values that come from other parties."""

from __future__ import annotations

import pytest

from audit.text import MAX_DETAIL, MAX_MESSAGE, MAX_QUOTED, bounded_detail, bounded_message, printable_lines, strings_in

LONG = "x" * 10_000


def test_lines_after_the_twentieth_are_counted() -> None:
    lines = printable_lines("\n".join(map(str, range(25))))
    assert lines[:20] == [str(number) for number in range(20)]
    assert lines[20:] == ["… and 5 more lines"]


@pytest.mark.parametrize("text", [LONG, f"'{'two words ' * 40}'"], ids=["word", "quotation"])
def test_long_word_or_quotation_is_cut_in_a_message(text: str) -> None:
    message = bounded_message(f"The server sent {text} and closed")
    assert message.startswith("The server sent ")
    assert message.endswith("… and closed")
    assert len(message) == len("The server sent  and closed") + MAX_QUOTED


def test_long_value_is_cut_and_the_rest_of_the_message_stays() -> None:
    value = "two words " * 60
    assert bounded_message(f"subject {value}: not known", [value, "short"]) == f"subject {value[:119]}…: not known"


def test_long_message_of_short_words_is_cut() -> None:
    assert len(bounded_message("a word " * 200)) == MAX_MESSAGE


def test_strings_in_a_value_include_names_of_members() -> None:
    assert list(strings_in({"a": ["b", {"c": 1}], "d": ("e",)})) == ["a", "b", "c", "d", "e"]


def test_detail_of_few_json_values_is_kept() -> None:
    detail = {"observed": {"a": [1, 2.5, None, True]}, "required": "text"}
    assert bounded_detail(detail) == detail


def test_detail_values_other_than_json_become_json() -> None:
    assert bounded_detail({"set": {"b", "a"}, "other": float("inf")}) == {"set": ["a", "b"], "other": "inf"}


def test_cut_detail_names_its_size() -> None:
    words = ["word" * 5] * 5000
    bounded = bounded_detail({"text": LONG, "list": words, "table": {f"{n}": LONG for n in range(3)}})
    assert bounded["text"] == f"{LONG[:MAX_DETAIL]}… (10000 characters)"
    assert bounded["list"][-1] == "… (5000 in all)"
    assert len(bounded["list"]) < 200
    assert bounded["table"]["…"] == "3 entries"
