"""A journal of version 1, written by the code of that version, as the state of a run."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from audit.json_codec import format_time, parse_time
from remediate.state.database import JOURNAL_FILE

DUMP: Final = Path(__file__).with_name("journal_of_version_1.sql")
SECOND_NIGHT: Final = datetime(2026, 12, 1, 4, 34, 19, tzinfo=UTC)
A: Final = "80a0ee21da026887"
B: Final = "803096b71585f181"
C: Final = "84106fa0ab803632"
D: Final = "66f3be0e8940fe7d"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def older_journal(folder: Path, *, at: datetime = SECOND_NIGHT, placed: Mapping[str, object] | None = None) -> Path:
    """Write the journal into a state directory, its second night at that time, and return its file.

    `placed` has the values of @FOLDER@, @A@ to @D@ and @CSR@.
    """
    text = DUMP.read_text(encoding="utf-8")
    values = {"FOLDER": "/srv", "CSR": "0" * 64, **dict.fromkeys("ABCD", 443), **(placed or {})}
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    shift = at.replace(microsecond=0) - SECOND_NIGHT
    text = _TIME.sub(lambda match: _shifted(match[0], shift), text)
    folder.mkdir(mode=0o700)
    file = folder / JOURNAL_FILE
    connection = sqlite3.connect(file)
    connection.executescript(f"PRAGMA journal_mode = WAL; {text}")
    connection.close()
    file.chmod(0o600)
    return file


def _shifted(text: str, shift: timedelta) -> str:
    return format_time(parse_time(text) + shift)
