"""Tests of the last attempt: a case that was not tried in a run is shown with the attempt of an earlier run."""

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


def shown_cause(journal: Journal) -> Cause | None:
    """Return the cause that a notification shows for the case."""
    return last_attempt(CaseResult(a_case(), "waiting", cause=Cause.RUN_CANARY, note="not tried"), journal).cause


def test_last_attempt_is_that_of_the_journal_if_none_was_made_now(journal: Journal) -> None:
    assert shown_cause(journal) == Cause.DCV_MISSING


def test_attempt_before_a_later_repair_is_not_the_last_attempt(journal: Journal) -> None:
    journal.end(a_case().id, CaseOutcome("dropped", NOW + timedelta(days=1), note="it is not found any more"))
    journal.begin(a_case(), NOW + timedelta(days=200))
    assert shown_cause(journal) == Cause.RUN_CANARY
