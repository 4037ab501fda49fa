"""What tests of runs share: a journal, a host that is a folder, and one with a website and the Store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remediate.state.journal import Journal, open_journal
from tests.support.remediate.cpanel_exim import Exim, running_exim
from tests.support.remediate.folder_hosts import Place, running_place
from tests.support.remediate.store_host import Premiere, premiere


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with running_place(tmp_path / "a", "a") as running:
        yield running


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Premiere]:
    with premiere(tmp_path) as world:
        yield world


@pytest.fixture
def exim(tmp_path: Path) -> Iterator[Exim]:
    with running_exim(tmp_path) as running:
        yield running
