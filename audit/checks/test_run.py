"""Checks of the run itself: what was asked for and could not be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from audit.checks import check
from audit.text import listing
from audit.verdict import require


class Line(Protocol):
    """A line of the endpoints file that names no endpoint."""

    @property
    def source(self) -> str: ...  # noqa: D102 - the file
    @property
    def number(self) -> int: ...  # noqa: D102 - from 1
    @property
    def why(self) -> str: ...  # noqa: D102 - names the text


class RunFacts(Protocol):
    """What is to be judged of a run."""

    @property
    def unusable_lines(self) -> Sequence[Line]: ...  # noqa: D102 - see Line
    @property
    def expired_waivers(self) -> Sequence[str]: ...  # noqa: D102 - each in a clause
    @property
    def stale_waivers(self) -> Sequence[str]: ...  # noqa: D102 - each in a clause


@check("ops.endpoint-unusable", severity="medium", remedy="manual", source="the endpoints file", scopes=("run",))
def test_every_line_is_usable(audit_run: RunFacts) -> None:
    """Every line of the endpoints file names an endpoint."""
    lines = [f"{line.source}:{line.number}: {line.why}" for line in audit_run.unusable_lines]
    require(not lines, listing(lines, 10), observed=lines, required="SCHEME://NAME[:PORT] on each line")


@check("ops.waiver-expired", severity="medium", remedy="manual", source="the waivers file", scopes=("run",))
def test_no_waiver_expired(audit_run: RunFacts) -> None:
    """Every waiver is still good: an expired one waives nothing."""
    waivers = list(audit_run.expired_waivers)
    require(not waivers, f"expired: {listing(waivers, 10)}", observed=waivers)


@check("ops.waiver-stale", severity="medium", remedy="manual", source="the waivers file", scopes=("run",))
def test_no_waiver_stale(audit_run: RunFacts) -> None:
    """Every waiver has matched a finding of this run: one that waives nothing hides the next fault."""
    waivers = list(audit_run.stale_waivers)
    require(not waivers, f"matched nothing: {listing(waivers, 10)}", observed=waivers)
