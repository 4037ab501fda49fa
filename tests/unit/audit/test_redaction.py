"""Tests of redaction: secrets are hidden in every encoding, in time linear in the text."""

from __future__ import annotations

import pytest

from audit.redaction import Secrets, url_password
from tests.support.cpu_time import at_most_cpu_s
from tests.support.secret_encodings import ODD, PLAIN, SLASHED, encodings

LONG = "a-long-token." * 100


@pytest.mark.parametrize("form", encodings(PLAIN))
@pytest.mark.parametrize("secret", [PLAIN, SLASHED, ODD], ids=["plain", "slashed", "odd"])
def test_secret_is_hidden_in_every_encoding(secret: str, form: str) -> None:
    text = f"before:{encodings(secret)[form]}:after"
    assert Secrets((secret,)).are_in(text.encode())
    hidden = Secrets((secret,)).hide(text)
    assert hidden.startswith("before:")
    assert hidden.endswith(":after")
    assert "[secret]" in hidden
    if not form.startswith(("base64 in lines", "base64 at")):  # what precedes the secret in the same word stays
        assert hidden == "before:[secret]:after"


def test_of_several_secrets_the_longest_is_hidden_first() -> None:
    assert Secrets(("token-1", "token-1-and-more")).hide("token-1-and-more, token-1") == "[secret], [secret]"


def test_long_secret_is_hidden_to_its_end() -> None:
    assert Secrets((LONG,)).hide(f'"{LONG}" is wrong') == '"[secret]" is wrong'


def test_ordinary_text_is_not_changed() -> None:
    text = "https://www.example.com:443 %20 \\u0041 &amp; dG9rZW4= token missing"
    assert Secrets((PLAIN, SLASHED, ODD, "", " ", "x1")).hide(text) == text
    assert Secrets().hide(text) == text


def test_short_secret_is_hidden_as_it_is_and_no_other_text() -> None:
    assert Secrets(("ab1",)).hide("ab1 is wrong, AB1 and YWIx are not") == "[secret] is wrong, AB1 and YWIx are not"
    assert not Secrets(("ab1",)).are_in(b"ab1")


def test_json_is_hidden_in_names_and_nested_values() -> None:
    value = {PLAIN: [{"message": f"no {PLAIN}"}, 7, None, True]}
    assert Secrets((PLAIN,)).hide_in(value) == {"[secret]": [{"message": "no [secret]"}, 7, None, True]}


def test_secrets_are_not_printed() -> None:
    assert PLAIN not in repr(Secrets((PLAIN,)))


@pytest.mark.parametrize("flood", ["\\", "%25", "=\n", " ", "&amp;", "\\\\n", "a", "s3cr/et+T0ken "])
@pytest.mark.parametrize("secret", [SLASHED, ODD, "aaaaaaaaaaaaaaaab"], ids=["slashed", "odd", "repeated"])
def test_flood_of_escapes_takes_linear_time(secret: str, flood: str) -> None:
    text = flood * (300_000 // len(flood))
    with at_most_cpu_s(8):
        Secrets((secret,)).hide(text)


@pytest.mark.parametrize(
    ("url", "passwords"),
    [
        ("http://me:pass%20word@proxy.example:3128", ("pass word", "pass%20word")),
        ("http://me:plain@proxy.example", ("plain",)),
        ("http://proxy.example", ()),
        ("http://[::1", ()),
        (None, ()),
    ],
)
def test_password_of_a_url_is_hidden_in_both_forms(url: str | None, passwords: tuple[str, ...]) -> None:
    assert url_password(url) == passwords
