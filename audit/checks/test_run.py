"""Checks of the run itself: the endpoints file and the waivers file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from audit.checks import check
from audit.policy.controls import LIFECYCLE
from audit.text import join_limited
from audit.verdict import not_applicable, require


class Line(Protocol):
    """A line of the endpoints file that names no endpoint."""

    @property
    def source(self) -> str: ...  # noqa: D102 - the file
    @property
    def number(self) -> int: ...  # noqa: D102 - from 1
    @property
    def why(self) -> str: ...  # noqa: D102 - names the text


class RunFacts(Protocol):
    """The facts of a run that are judged."""

    @property
    def unusable_lines(self) -> Sequence[Line]: ...  # noqa: D102 - see Line
    @property
    def expired_waivers(self) -> Sequence[str]: ...  # noqa: D102 - one message each
    @property
    def stale_waivers(self) -> Sequence[str]: ...  # noqa: D102 - one message each
    @property
    def state_fault(self) -> str | None: ...  # noqa: D102 - empty: none; None: the run does not repair


@check(
    "ops.endpoint-unusable",
    severity="medium",
    remedy="manual",
    source="the endpoints file",
    scopes=("run",),
    controls=LIFECYCLE,
)
def test_every_line_is_usable(audit_run: RunFacts) -> None:
    """Every line of the endpoints file must name an endpoint.

    Fix: Correct the line that the message names, or put `#` before it.
    """
    lines = [f"{line.source}:{line.number}: {line.why}" for line in audit_run.unusable_lines]
    require(not lines, join_limited(lines, 10), observed=lines, required="SCHEME://NAME[:PORT] on each line")


@check(
    "ops.state-unusable",
    severity="high",
    remedy="manual",
    source="the state directory",
    scopes=("run",),
    controls=LIFECYCLE,
)
def test_state_is_usable(audit_run: RunFacts) -> None:
    """A run must be able to write the state directory: without a sound journal nothing is repaired.

    Fix: Free space on its disk, make it writable, or move a damaged journal away.
    """
    fault = audit_run.state_fault
    if fault is None:
        not_applicable("this run does not repair")
    require(
        not fault, f"nothing is repaired: {fault}", observed=fault, required="a state directory that can be written"
    )


@check("ops.waiver-expired", severity="medium", remedy="manual", source="the waivers file", scopes=("run",))
def test_no_waiver_expired(audit_run: RunFacts) -> None:
    """No waiver in the waivers file may be expired: an expired one waives nothing.

    Fix: Fix the finding and remove the waiver. If the finding must be accepted for longer, set a new date and give the
    reason.
    """
    waivers = list(audit_run.expired_waivers)
    require(not waivers, f"expired: {join_limited(waivers, 10)}", observed=waivers)


@check("ops.waiver-stale", severity="medium", remedy="manual", source="the waivers file", scopes=("run",))
def test_no_waiver_stale(audit_run: RunFacts) -> None:
    """Every waiver in the waivers file must match a finding of this run: an unused one would hide the next fault.

    Fix: Remove the waiver. If its id or its endpoint is misspelt, correct it.
    """
    waivers = list(audit_run.stale_waivers)
    require(not waivers, f"matched no finding: {join_limited(waivers, 10)}", observed=waivers)
