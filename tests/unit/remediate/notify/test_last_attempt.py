"""Of a case that was not tried tonight the last try of its present round is told, and none of an earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from remediate.model.causes import Cause
from remediate.model.outcome import Attempt, CaseResult
from remediate.notify.items import last_attempt
from remediate.state.journal import CaseOutcome, Journal, open_journal
from tests.support.remediate.journals import a_case
from tests.support.remediate.result_rows import NOW


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        opened.begin(a_case(), NOW)
        opened.attempts.add(a_case().id, Attempt(NOW, "failed", "self-test", Cause.DCV_MISSING, "404"))
        yield opened


def told(journal: Journal) -> Cause | None:
    """Return the cause that is told of the case tonight."""
    return last_attempt(CaseResult(a_case(), "waiting", cause=Cause.RUN_CANARY, note="not tried"), journal).cause


def test_the_last_try_is_told_where_there_was_none_tonight(journal: Journal) -> None:
    assert told(journal) == Cause.DCV_MISSING


def test_a_try_from_before_somebody_else_mended_it_is_not_told(journal: Journal) -> None:
    journal.end(a_case().id, CaseOutcome("dropped", NOW + timedelta(days=1), note="it is not found any more"))
    journal.begin(a_case(), NOW + timedelta(days=200))
    assert told(journal) == Cause.RUN_CANARY
