"""The rows that the repair reads stand on disk, and are read in the order in which they were written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pytest_sslaudit.remediation.spooled_rows import SpooledRows

ROWS = [{"kind": "result", "endpoint": f"https://www{number}.example", "message": "é\n\u2028"} for number in range(3)]


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[SpooledRows]:
    with closing(SpooledRows(tmp_path)) as spooled:
        yield spooled


def test_rows_are_read_again_in_the_order_of_writing(rows: SpooledRows) -> None:
    rows.extend(ROWS[:2])
    assert list(rows) == ROWS[:2]
    rows.append(ROWS[2])
    assert list(rows) == ROWS
    assert len(list(rows.lines())) == len(ROWS)


def test_row_is_added_behind_all_others_after_a_search_for_the_first(rows: SpooledRows) -> None:
    rows.extend(ROWS[:2])
    assert next(row for row in rows if row["kind"] == "result") == ROWS[0]
    rows.append(ROWS[2])
    assert list(rows) == ROWS


def test_rows_leave_no_file(rows: SpooledRows, tmp_path: Path) -> None:
    rows.extend(ROWS)
    assert list(tmp_path.iterdir()) == []
    rows.close()
    with pytest.raises(ValueError, match="closed file"):
        list(rows)
