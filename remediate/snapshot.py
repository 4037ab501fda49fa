"""A copy of the journal for who only wants to read: the state folder is left as it is, and need not be there.

It knows which files a journal is made of; what stands in it is known elsewhere.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from audit.config.private_files import UnsafePath, safe_path
from remediate.database import FILE, UnusableState
from remediate.journal import Journal, open_journal


@contextmanager
def journal_snapshot(folder: Path) -> Iterator[Journal]:
    """Open a copy of the journal in a state folder, an empty one where there is none; it is gone afterwards.

    What is written to it is lost. Raises UnusableState, also where a run writes the journal at this moment.
    """
    try:
        safe_path(folder)
        place = safe_path(Path(gettempdir()))
    except UnsafePath as error:
        raise UnusableState(f"the journal in {folder} cannot be copied: {error.strerror}") from error
    with TemporaryDirectory(prefix="sslaudit-", dir=place) as copy:
        for name in (FILE, f"{FILE}-wal"):  # what was not merged yet after a crash stands in the second
            with suppress(FileNotFoundError):
                shutil.copyfile(folder / name, Path(copy, name))
        with open_journal(Path(copy)) as journal:
            yield journal
