"""Formats the repairs of a run as a table of the HTML report, and the contacts that get no email.

Texts of hosts and issuers are escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_FOLDED_FROM: Final = 12  # more rows than that push the findings out of sight
_HEAD: Final = ("Outcome", "Repair", "Host", "Names", "What happened", "Case")


@dataclass(frozen=True, slots=True)
class RepairRow:
    """The result of a case; `happened` may have several lines."""

    outcome: str
    repair: str
    host: str
    names: str
    happened: str
    case: str

    @property
    def is_well(self) -> bool:
        """Whether it is repaired."""
        return self.outcome == "repaired"


def counted(rows: Sequence[RepairRow]) -> str:
    """Return how many cases have each outcome, in a line; the repaired ones last."""
    counts = Counter(row.outcome for row in rows)
    ordered = sorted(counts.items(), key=lambda pair: (pair[0] == "repaired", pair[0]))
    return ", ".join(f"{count} {outcome}" for outcome, count in ordered) or "nothing to repair"


def repair_table(rows: Sequence[RepairRow]) -> str:
    """Return the table, the worst rows first; folded if it is long and all are repaired."""
    if not rows:
        return ""
    head = "".join(f"<th>{name}</th>" for name in _HEAD)
    body = "".join(map(_row, sorted(rows, key=lambda row: row.is_well)))
    state = "" if len(rows) >= _FOLDED_FROM and all(row.is_well for row in rows) else " open"
    summary = f"<summary>Repairs: {escape(counted(rows))}</summary>"
    return f'<details class="sslaudit-repairs"{state}>{summary}<table><tr>{head}</tr>{body}</table></details>'


def refused_contacts(lines: Sequence[str]) -> str:
    """Return a paragraph for each line about contacts that a host reports and that get no mail."""
    return "".join(f'<p class="sslaudit-contacts">{escape(line)}</p>' for line in lines)


def _row(row: RepairRow) -> str:
    mark = "sslaudit-repaired" if row.is_well else "sslaudit-not-repaired"
    cells = (row.repair, row.host, row.names, row.happened, row.case)
    return f'<tr><td><span class="{mark}">{escape(row.outcome)}</span></td>{"".join(map(_cell, cells))}</tr>'


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"
