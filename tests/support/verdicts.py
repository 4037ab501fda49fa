"""The judgement of a check, as a value that a test can compare."""

from __future__ import annotations

from collections.abc import Callable

from audit.analysis.chains import MALFORMED, unreadable_message
from audit.verdict import Finding, Inconclusive, Judgement, NotApplicable
from audit.x509.loading import UnreadableField


def judged(check: Callable[..., None], **facts: object) -> Judgement | None:
    """Call a check with facts and return its judgement as the evaluation does, None if it passed."""
    try:
        check(**facts)
    except Judgement as judgement:
        return judgement
    except UnreadableField as error:
        return Inconclusive(unreadable_message(error), because=MALFORMED)
    return None


def passes(check: Callable[..., None], **facts: object) -> bool:
    """Return whether a check passes."""
    return judged(check, **facts) is None


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
