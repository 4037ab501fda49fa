"""The report `csv`: one line for each result, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

CSV_COLUMNS: Final = (
    "endpoint",
    "host",
    "service",
    "check",
    "phase",
    "verdict",
    "severity",
    "message",
    "remedy",
    "source",
    "policy",
    "not_after",
    "leaf_sha256",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula; the texts come from servers and hosts."""


def csv_report(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the results as CSV (RFC 4180) with a header; cells that would be formulas begin with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    writer.writerows([_cell(row.get(column)) for column in CSV_COLUMNS] for row in rows if row["kind"] == "result")
    return text.getvalue()


def _cell(value: object) -> str:
    cell = "" if value is None else str(value)
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
