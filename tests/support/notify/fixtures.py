"""Fixtures of the tests of notifications: a journal, and nights over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remediate.state.journal import Journal, open_journal
from tests.support.notify.nights import Nights


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path / "state") as journal:
        yield journal


@pytest.fixture
def nights(journal: Journal) -> Nights:
    return Nights(journal)
