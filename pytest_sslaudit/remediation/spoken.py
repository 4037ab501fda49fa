"""A run as the command on the server tells of it: its own sentences in place of pytest's pages.

It knows the hooks of this plugin and what a run came to; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.verdict import Verdict
from pytest_sslaudit.controller import Controller
from pytest_sslaudit.local import with_defaults
from pytest_sslaudit.remediation.sentences import Teller, lines_of
from pytest_sslaudit.reports.results_file import result_of
from pytest_sslaudit.reports.summary import lines_of_endpoints, lines_of_totals
from pytest_sslaudit.reports.totals import Tally
from pytest_sslaudit.run_state import KEY, Run
from pytest_sslaudit.settings import Begun
from pytest_sslaudit.voice import Voice
from remediate.cli.output import Moment, moment_line
from remediate.model.audit_results import Evidence
from remediate.model.case import Case, Step, StepState
from remediate.model.plan import Plan


class Spoken:
    """The hooks of a run that the command began. `again` is what continues it, `folder` where its reports are kept."""

    def __init__(self, voice: Voice, again: tuple[str, ...], folder: Path) -> None:
        """Say nothing yet."""
        self._voice, self._again, self._folder = voice, again, folder
        self._traces: list[str] = []
        self._has_spoken = False

    def pytest_sslaudit_begun(self, configuration: object) -> Begun:
        """Fill in what the server's configuration leaves open."""
        return Begun(with_defaults(configuration, self._folder), "checkallsslcerts", self._again)  # type: ignore[arg-type]  # hooks have no types

    def pytest_sslaudit_planned(self, config: pytest.Config, plan: Plan, evidence: Evidence) -> None:
        """Say what is attempted, before it is."""
        for line in lines_of(plan, teller_of(config.stash[KEY], evidence)):
            self._voice.say(line, is_detail=True)

    def pytest_sslaudit_stepped(self, case: Case, step: Step, state: StepState, note: str) -> None:
        """Say what a step has become."""
        self._voice.say(moment_line(Moment(case, step, state, note)), is_detail=True)

    def pytest_sslaudit_said(self, line: str, is_detail: bool) -> None:  # noqa: FBT001 - hooks are called by name
        """Say a line about the repair."""
        self._has_spoken |= not is_detail
        self._voice.say(line, is_detail=is_detail)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the trace of a bug of ours."""
        result = result_of(report)
        if result and result.verdict is Verdict.ERROR:
            self._traces.append(report.longreprtext)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep why checks could not be collected."""
        if report.failed:
            self._traces.append(report.longreprtext)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Say what the run came to: one line where all is well and nothing was done."""
        controller = config.pluginmanager.getplugin("sslaudit-controller")
        if not isinstance(controller, Controller) or not controller.tally.verdicts:
            return
        for trace in self._traces:
            self._voice.say(trace)
        for line in self._ended(controller.tally):
            self._voice.say(line)

    def _ended(self, tally: Tally) -> Iterator[str]:
        totals, where = tuple(lines_of_totals(tally)), f"the report: {self._folder / 'report.html'}"
        failed = tuple(lines_of_endpoints(tally))
        if failed or self._has_spoken or self._traces:
            yield from (*failed, *totals, where)
        else:
            yield "; ".join((*totals, where))


def teller_of(run: Run, evidence: Evidence) -> Teller:
    """Return what tells of a run's plan: what was seen, and who issues."""
    settings = run.settings
    name = settings.issuer or settings.configuration.remediate.issuer
    section = settings.configuration.issuer.get(name) if name else None
    return Teller(evidence, name, section.kind if section else None)
