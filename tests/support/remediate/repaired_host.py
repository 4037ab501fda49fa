"""A host whose certificate was reissued once: tests of what comes after begin from a copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remediate.state.journal import Journal, open_journal
from tests.support.remediate.fake_host.host import FakeHost, running_host
from tests.support.remediate.saved_folder import SavedFolder


@dataclass(frozen=True)
class RepairedHost:
    """The host, what it served before, and a copy of it and of the journal, `state`, as the repair left them."""

    host: FakeHost
    served_before: str
    key_before: str
    saved: SavedFolder

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        """Open the journal."""
        with open_journal(self.saved.folder / "state") as journal:
            yield journal


@contextmanager
def repaired_host_in(folder: Path, copy: Path, **case: Any) -> Iterator[RepairedHost]:  # noqa: ANN401 - any field
    """Run a host in a directory and repair its certificate; these fields of the case are other than usual."""
    with running_host(folder / "a", "a") as host:
        host.key.chmod(0o640)
        host.certificate.chmod(0o644)
        before = (host.served, host.key.read_text())
        with open_journal(folder / "state") as journal:
            repair_certificate(host, journal, **case)
        yield RepairedHost(host, *before, SavedFolder(folder, copy))


def repair_certificate(host: FakeHost, journal: Journal, **case: Any) -> str:  # noqa: ANN401 - any field
    """Repair the certificate of a host and return the id of the case."""
    result = host.repair(journal, case=host.case(**case))
    assert (result.ended_as, result.note) == ("proven", ""), result
    return result.case.id
