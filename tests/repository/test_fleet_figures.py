"""The table of a fleet's figures marks broken bounds, and the plan on paper follows from the measured figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.fleet.figure import Figure, report
from bench.fleet.plan import MEASURED, PlannedFleet, plan, table
from tests.support.checkout import CHECKOUT

FLEET = PlannedFleet(endpoints=1_000_000, response_s=1.0, concurrency=50)
COSTS = replace(MEASURED, worker_cpu_ms=10.0, controller_cpu_ms=1.0)


@pytest.mark.parametrize(
    ("figure", "mark"),
    [
        (Figure("memory", 250, "MB", 250), ""),
        (Figure("memory", 251, "MB", 250), "BROKEN"),
        (Figure("rate", 10, "times", 10, "at least"), ""),
        (Figure("rate", 9.9, "times", 10, "at least"), "BROKEN"),
        (Figure("start", 1e9, "s"), ""),
    ],
)
def test_figure_beyond_its_bound_is_marked_and_sets_the_status(
    figure: Figure, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report([figure, Figure("last", 1, "s", 2)]) == int(bool(mark))
    first, last = capsys.readouterr().out.splitlines()
    assert ("BROKEN" in first) == bool(mark)
    assert last.startswith("last")


@pytest.mark.parametrize(
    ("workers", "fleet", "seconds", "slowest"),
    [
        (4, FLEET, 5_000, "responses of the endpoints"),
        (4, replace(FLEET, concurrency=200), 2_500, "CPU of the workers"),
        (100, replace(FLEET, concurrency=200), 1_000, "CPU of the controller"),
    ],
)
def test_hours_of_a_plan_are_those_of_its_slowest_part(
    workers: int, fleet: PlannedFleet, seconds: float, slowest: str
) -> None:
    planned = plan(COSTS, fleet, workers)
    assert planned.hours == pytest.approx(seconds / 3600)
    assert planned.slowest == slowest


def test_page_of_figures_has_the_table_of_the_plan() -> None:
    assert "\n".join(table()) in (CHECKOUT / "docs/performance.md").read_text(encoding="utf-8")
