"""Fixtures of the tests of notifications: a journal, and runs over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remediate.state.journal import Journal, open_journal
from tests.support.notify.nightly_runs import NightlyRuns


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path / "state") as journal:
        yield journal


@pytest.fixture
def runs(journal: Journal) -> NightlyRuns:
    return NightlyRuns(journal)
