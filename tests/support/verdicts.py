"""How a check ended, as a value that a test can compare."""

from __future__ import annotations

from collections.abc import Callable

from audit.analysis.chains import MALFORMED, unreadable_message
from audit.verdict import Finding, Inconclusive, Judgement, NotApplicable
from audit.x509.loading import UnreadableField


def judged(check: Callable[..., None], **facts: object) -> Judgement | None:
    """Call a check with facts; return how it ended, as the evaluation says it, None where it passed."""
    try:
        check(**facts)
    except Judgement as judgement:
        return judgement
    except UnreadableField as error:
        return Inconclusive(unreadable_message(error), because=MALFORMED)
    return None


def passes(check: Callable[..., None], **facts: object) -> bool:
    """Tell whether a check passes."""
    return judged(check, **facts) is None


def finding(check: Callable[..., None], **facts: object) -> Finding:
    """Return the finding that a check ends with; fails where it ends otherwise."""
    judgement = judged(check, **facts)
    assert isinstance(judgement, Finding), judgement
    return judgement


def inconclusive(check: Callable[..., None], **facts: object) -> Inconclusive:
    """Return why a check could not be told; fails where it ends otherwise."""
    judgement = judged(check, **facts)
    assert isinstance(judgement, Inconclusive), judgement
    return judgement


def not_applicable(check: Callable[..., None], **facts: object) -> NotApplicable:
    """Return why a check does not apply; fails where it ends otherwise."""
    judgement = judged(check, **facts)
    assert isinstance(judgement, NotApplicable), judgement
    return judgement
