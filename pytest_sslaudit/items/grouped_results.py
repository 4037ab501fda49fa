"""The results of a test that reports many, as pytest shows them: the worst outcome, the first findings, their count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from audit.evaluation.outcome import TRACE
from audit.evaluation.result import Result
from pytest_sslaudit.outcome import Decision, Outcome

MOST_LINES: Final = 20
"""Findings that the report of a test lists."""
_WORST_FIRST: Final[tuple[Outcome, ...]] = ("error", "failed", "passed", "xfailed", "skipped")
_LISTED: Final[tuple[Outcome, ...]] = ("error", "failed", "xfailed")


class GroupedResults:
    """What a test that reports many results has judged, each endpoint and check once: a later result replaces it."""

    def __init__(self) -> None:
        """Begin without results."""
        self.kept: dict[tuple[str, str], Decision] = {}
        self._counts: Counter[Outcome] = Counter()
        self._listed: dict[tuple[str, str], tuple[Outcome, str, str]] = {}  # outcome, line and trace

    def take(self, decision: Decision, record: Callable[[Result, str], None] | None) -> None:
        """Count a decision, and pass its result to `record`; without that, keep it for the report."""
        if record and decision.result:
            record(decision.result, decision.outcome)
            self.count(decision)
        else:
            self.add(decision)

    def add(self, decision: Decision) -> None:
        """Count a decision, and keep its result for the report."""
        self.count(decision)
        if decision.result:
            self.kept[_place(decision.result)] = decision

    def count(self, decision: Decision) -> None:
        """Count a decision, and keep its line if it is one of the first findings."""
        result, outcome = decision.result, decision.outcome
        if result is None:
            return
        place = _place(result)
        earlier = self._listed.pop(place, None) or self._outcome_kept(place)
        if earlier:
            self._counts[earlier[0]] -= 1
        self._counts[outcome] += 1
        if outcome in _LISTED:
            is_shown = len(self._listed) < MOST_LINES
            trace = str(result.detail.get(TRACE, "")) if is_shown else ""
            self._listed[place] = outcome, decision.line if is_shown else "", trace

    def _outcome_kept(self, place: tuple[str, str]) -> tuple[Outcome] | None:
        return (self.kept[place].outcome,) if place in self.kept else None

    @property
    def failing(self) -> frozenset[str]:
        """The ids of the endpoints with a finding that fails the run, or an error."""
        return frozenset(endpoint for (endpoint, _), (outcome, *_) in self._listed.items() if outcome != "xfailed")

    @property
    def outcome(self) -> Outcome:
        """The worst outcome; a finding that fails nothing and a check that does not apply count less than a pass."""
        return next((outcome for outcome in _WORST_FIRST if self._counts[outcome] > 0), "skipped")

    def decision(self, *, names_endpoint: bool) -> Decision:
        """Return what pytest reports; a line names the endpoint or the check of a finding."""
        traces = "\n".join(trace for _, _, trace in self._listed.values() if trace)
        lines = "\n".join(self._lines(names_endpoint=names_endpoint))
        return Decision(self.outcome, lines, None, f"{lines}\n{traces}")

    def _lines(self, *, names_endpoint: bool) -> Iterator[str]:
        """Yield the counts, then each of the first findings, then how many more there are."""
        counts = ((self._counts[outcome], outcome) for outcome in _WORST_FIRST)
        yield ", ".join(f"{count} {outcome}" for count, outcome in counts if count > 0)
        shown = [(place, line) for place, (_, line, _) in self._listed.items() if line]
        yield from (f"{endpoint if names_endpoint else check}: {line}" for (endpoint, check), line in shown)
        more = len(self._listed) - len(shown)
        if more:
            yield f"and {more} more: see the results (--audit-results)"


def _place(result: Result) -> tuple[str, str]:
    return result.endpoint, result.check
