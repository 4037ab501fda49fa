"""The judgement of a check, as a value that a test can compare, and tables of checks, facts and judgements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Final

import pytest

from audit.analysis.chains import MALFORMED, unreadable_message
from audit.verdict import Finding, Inconclusive, Judgement, NotApplicable, Passed
from audit.x509.loading import UnreadableField


def judged(check: Callable[..., None], **facts: object) -> Judgement | None:
    """Call a check with facts and return its judgement as the evaluation does, None if it passed."""
    try:
        check(**facts)
    except Passed:
        return None
    except Judgement as judgement:
        return judgement
    except UnreadableField as error:
        return Inconclusive(unreadable_message(error), because=MALFORMED)
    return None


def passes(check: Callable[..., None], **facts: object) -> bool:
    """Return whether a check passes."""
    return judged(check, **facts) is None


def passing_note(check: Callable[..., None], **facts: object) -> str:
    """Return the message with which a check passes; fail on any other end."""
    try:
        check(**facts)
    except Passed as passed:
        return passed.reason
    raise AssertionError("the check ended without a message")


def finding(check: Callable[..., None], **facts: object) -> Finding:
    """Return the finding of a check; fail on any other judgement."""
    judgement = judged(check, **facts)
    assert isinstance(judgement, Finding), judgement
    return judgement


def inconclusive(check: Callable[..., None], **facts: object) -> Inconclusive:
    """Return the inconclusive judgement of a check; fail on any other judgement."""
    judgement = judged(check, **facts)
    assert isinstance(judgement, Inconclusive), judgement
    return judgement


def not_applicable(check: Callable[..., None], **facts: object) -> NotApplicable:
    """Return the reason why a check does not apply; fail on any other judgement."""
    judgement = judged(check, **facts)
    assert isinstance(judgement, NotApplicable), judgement
    return judgement


@dataclass(frozen=True, slots=True)
class Expected:
    """What a row of a table expects: the kind of judgement (None: it passes), words of its reason, and other fields."""

    kind: type[Judgement] | None = None
    words: tuple[str, ...] = ()
    fields: Mapping[str, object] = field(default_factory=dict)

    def agrees(self, judgement: Judgement | None) -> bool:
        """Return whether a judgement is the expected one; a field that a row does not name may have any value."""
        if self.kind is None or not isinstance(judgement, self.kind):
            return self.kind is None and judgement is None
        found = {name: getattr(judgement, name) for name in self.fields}
        return found == self.fields and all(words in judgement.reason for words in self.words)


PASS: Final = Expected()


def fail(*words: str, **fields: object) -> Expected:
    """Expect a finding with these words in its reason and with these fields, such as `remedy`."""
    return Expected(Finding, words, fields)


def unsure(*words: str, because: str | None = None, **fields: object) -> Expected:
    """Expect an inconclusive judgement, by default one that has no other finding as its cause."""
    return Expected(Inconclusive, words, {"because": because, **fields})


def exempt(*words: str, **fields: object) -> Expected:
    """Expect that the check does not apply."""
    return Expected(NotApplicable, words, fields)


Check = Callable[..., None]
Row = tuple[Check, Mapping[str, object], Expected]
"""A check, the facts for it (and others, which it does not take), and what is expected."""


def verdicts(rows: Mapping[str, Row]) -> pytest.MarkDecorator:
    """Run a test once for each row, which is its argument `row`; the key says what the row shows."""
    return pytest.mark.parametrize("row", rows.values(), ids=rows.keys())


def require_verdict(row: Row) -> None:
    """Fail unless the check judges as the row expects."""
    check, facts, expected = row
    taken = signature(check).parameters
    judgement = judged(check, **{name: fact for name, fact in facts.items() if name in taken})
    assert expected.agrees(judgement), f"{judgement!r} {vars(judgement) if judgement else ''}"
