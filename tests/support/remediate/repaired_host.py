"""A host whose certificate was reissued once: tests of what comes after begin from a copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remediate.execution.scheduler import repair
from remediate.state.journal import Journal, open_journal
from tests.support.remediate.folder_hosts import CONCURRENCY, Ca, FolderHost, run_context, running_host
from tests.support.remediate.saved_folder import SavedFolder


@dataclass(frozen=True)
class RepairedHost:
    """The host, what it served before, and a copy of it and of the journal, `state`, as the repair left them."""

    host: FolderHost
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
        (host.folder / "tls.key").chmod(0o640)
        (host.folder / "tls.crt").chmod(0o644)
        before = (host.served, (host.folder / "tls.key").read_text())
        with open_journal(folder / "state") as journal:
            repaired(host, journal, **case)
        yield RepairedHost(host, *before, SavedFolder(folder, copy))


def repaired(host: FolderHost, journal: Journal, **case: Any) -> str:  # noqa: ANN401 - any field
    """Repair the certificate of a host and return the id of the case."""
    planned = host.case(**case)
    (ending,) = repair([planned], run_context(journal, Ca(), host), CONCURRENCY)
    assert (ending.ended_as, ending.note) == ("proven", ""), ending
    return planned.id
