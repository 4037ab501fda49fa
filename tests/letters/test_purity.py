"""What a letter says, who reads it, when it is tried again and what is queued is decided without I/O and clock."""

from __future__ import annotations

import pytest

from tests.test_imports import DOES_IO, ROOT, imported, within

PURE = (
    "account",
    "model/causes",
    "contact",
    "delivery",
    "leak",
    "letter",
    "letter_body",
    "letter_parts",
    "post",
    "relay",
    "retry",
)


@pytest.mark.parametrize("name", PURE)
def test_letters_and_continuations_are_values(name: str) -> None:
    file = ROOT / "remediate" / f"{name}.py"
    strangers = (
        "remediate.notify.channels.smtp",
        "remediate.notify.channels.sendmail",
        "remediate.state.journal",
        "remediate.execution.scheduler",
    )
    assert [each for each in imported(file) if within(each, *DOES_IO, *strangers)] == []
    assert ".now(" not in file.read_text(encoding="utf-8")
