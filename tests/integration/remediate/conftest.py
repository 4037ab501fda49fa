"""Fixtures of the tests of runs: a journal, a host in a directory, and a host with a website and the Store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remediate.state.journal import Journal, open_journal
from tests.support.remediate.fake_host.host import FakeHost, running_host, running_panel_host
from tests.support.remediate.fake_host.switch import Pairs, new_pair
from tests.support.remediate.store_host import StoreHost, running_store_host


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """Return three certificates with their keys: the old one, the new one and another."""
    folder = tmp_path_factory.mktemp("pairs")
    return new_pair(folder, "old"), new_pair(folder, "new"), new_pair(folder, "newer")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Return a directory for a run that is killed; copies of it are beside it."""
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeHost]:
    with running_host(tmp_path / "a", "a") as running:
        yield running


@pytest.fixture
def store_host(tmp_path: Path) -> Iterator[StoreHost]:
    with running_store_host(tmp_path) as started:
        yield started


@pytest.fixture
def exim(tmp_path: Path) -> Iterator[FakeHost]:
    """Return a panel's host whose only service is Exim."""
    with running_panel_host(tmp_path / "panel", "exim") as running:
        yield running
