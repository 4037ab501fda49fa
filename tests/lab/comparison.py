"""Compares the faults that are planted in the lab with the findings of an audit, before and after a repair."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audit.config.line_files import read_lines

REMEDIES: Final = ("reissue", "rekey", "rechain", "reload")
"""What a repair of ours does about a finding; what has another remedy may be explained and left."""

WELL: Final = ("pass", "not-applicable")
"""How what was found ends when it is repaired: of some, as of a key of another kind, nothing is left to be asked."""

Finding = tuple[str, str]
"""An endpoint id and a check id."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Planted faults against findings, before a repair and after it."""

    found: tuple[Finding, ...]
    missed: tuple[Finding, ...]
    unexpected: tuple[Finding, ...]
    repaired: tuple[Finding, ...] = ()
    unrepaired: tuple[Finding, ...] = ()  # with a repair of ours
    left: tuple[Finding, ...] = ()  # without
    sound: int = 0  # endpoints with nothing planted

    @property
    def is_exact(self) -> bool:
        """Whether the planted faults and no others were found."""
        return not self.missed and not self.unexpected

    @property
    def is_whole(self) -> bool:
        """Whether everything that has a repair of ours is repaired."""
        return not self.unrepaired


def compare(planted: Mapping[str, Sequence[str]], results: Iterable[Mapping[str, Any]]) -> Comparison:
    """Compare what was planted with what failed, or was inconclusive for a reason of its own, in the results.

    Repaired is what failed and is well after the repair; a finding that is only there after it was not planted.
    """
    rows = tuple(results)
    before = {_finding(row): row for row in rows if row["phase"] == "before" and _is_finding(row)}
    after = {_finding(row): row["verdict"] for row in rows if row["phase"] == "after"}
    new = {_finding(row) for row in rows if row["phase"] == "after" and _is_finding(row)} - before.keys()
    wanted = {(endpoint, check) for endpoint, checks in planted.items() for check in checks}
    repaired = {one for one in before if after.get(one) in WELL}
    ours = {one for one, row in before.items() if _has_repair(row)}
    return Comparison(
        found=tuple(sorted(wanted & before.keys())),
        missed=tuple(sorted(wanted - before.keys())),
        unexpected=tuple(sorted((before.keys() - wanted) | new)),
        repaired=tuple(sorted(repaired)),
        unrepaired=tuple(sorted(ours - repaired)),
        left=tuple(sorted(before.keys() - ours - repaired)),
        sound=len({row["endpoint"] for row in rows} - set(planted)),
    )


def _has_repair(row: Mapping[str, Any]) -> bool:
    """Return whether a repair of ours is due: not of an endpoint that is seen only from outside, which has no host."""
    is_inside = row.get("host", "") is not None
    return is_inside and row["remedy"] in REMEDIES and row.get("severity") != "info"


def read_results(file: Path) -> tuple[dict[str, Any], ...]:
    """Return the results of a run; raises ValueError where it did not come to its end."""
    rows = [json.loads(line) for line in read_lines(file)]
    if not rows or rows[-1]["kind"] != "summary":
        raise ValueError(f"{file} has no summary line: the audit did not finish")
    return tuple(row for row in rows if row["kind"] == "result")


def tell(comparison: Comparison) -> Iterator[str]:
    """Give the lines that a person reads before the last."""
    for title, findings in (
        ("planted faults that were found and repaired:", comparison.repaired),
        ("found and not repairable (the report says what to do):", comparison.left),
    ):
        if findings:
            yield title
            yield from _columns(findings)
    for title, findings in (
        ("MISSED", comparison.missed),
        ("UNEXPECTED", comparison.unexpected),
        ("NOT REPAIRED", comparison.unrepaired),
    ):
        for endpoint, check in findings:
            yield f"{title}  {check}  {endpoint}"


def summed_up(comparison: Comparison) -> str:
    """Return the last line."""
    planted = len(comparison.found) + len(comparison.missed)
    return (
        f"{len(comparison.found)} of {planted} planted faults found, {len(comparison.unexpected)} other findings; "
        f"{len(comparison.repaired)} repaired, {len(comparison.unrepaired)} repairs failed, "
        f"{len(comparison.left)} explained; {comparison.sound} endpoints without a fault"
    )


def _finding(row: Mapping[str, Any]) -> Finding:
    return row["endpoint"], row["check"]


def _is_finding(row: Mapping[str, Any]) -> bool:
    """Return whether a result is one of its own: what follows from another finding of the endpoint is none."""
    is_untold = row["verdict"] == "inconclusive" and "because" not in row["detail"]
    return row["verdict"] in ("fail", "error") or is_untold


def _columns(findings: Sequence[Finding]) -> Iterator[str]:
    """Give each check and the endpoints it was found on, the check in the first line only."""
    width = max(len(check) for _, check in findings)
    last = ""
    for endpoint, check in sorted(findings, key=lambda one: one[::-1]):
        yield f"  {'' if check == last else check:{width}}  {endpoint}"
        last = check
