"""A host whose certificate was reissued once: the fixtures of tests of what comes after begin from a copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from remediate.model.case import case_id
from remediate.state.journal import Journal, open_journal
from tests.support.remediate.fake_host.host import FakeHost, running_host
from tests.support.remediate.saved_folder import SavedFolder

CASE: Final = case_id("a", ("a.example",), None)
"""The case of the host's certificate."""


@dataclass(frozen=True)
class RepairedHost:
    """The host, what it served before, and a copy of it and of the journal, `state`, as the repair left them."""

    host: FakeHost
    served_before: str
    key_before: str
    saved: SavedFolder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RepairedHost]:
    """Run a host in a directory of its own and repair its certificate."""
    folder = tmp_path_factory.mktemp("repaired")
    with running_host(folder / "a", "a") as host:
        host.key.chmod(0o640)
        host.certificate.chmod(0o644)
        before = (host.served, host.key.read_text())
        with open_journal(folder / "state") as journal:
            repair_certificate(host, journal)
        yield RepairedHost(host, *before, SavedFolder(folder, tmp_path_factory.mktemp("copy") / "saved"))


@pytest.fixture
def repaired_host(prepared: RepairedHost) -> RepairedHost:
    """Return the repaired host as the repair left it."""
    prepared.saved.restore()
    return prepared


@pytest.fixture
def host(repaired_host: RepairedHost) -> FakeHost:
    return repaired_host.host


@pytest.fixture
def journal(repaired_host: RepairedHost) -> Iterator[Journal]:
    with open_journal(repaired_host.saved.folder / "state") as opened:
        yield opened


def repair_certificate(host: FakeHost, journal: Journal, **case: Any) -> str:  # noqa: ANN401 - any field
    """Repair the certificate of a host and return the id of the case."""
    result = host.repair(journal, case=host.case(**case))
    assert (result.ended_as, result.note) == ("proven", ""), result
    return result.case.id
