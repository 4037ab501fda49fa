"""The hooks of the main process: discover and probe once, collect the results, and set the exit status."""

from __future__ import annotations

import operator
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import Any, Final

import pytest

from audit.evaluation.key_index import KeyIndex
from audit.evaluation.result import Result
from audit.json_codec import format_time
from audit.probe import Target
from audit.probe.deadline import set_in_handler
from pytest_sslaudit.activation import ADDED_CHECKS, ignores_files
from pytest_sslaudit.controller.hosts import AuditedHosts
from pytest_sslaudit.controller.observations import Observations
from pytest_sslaudit.evidence import CollectedTests, Inventory
from pytest_sslaudit.evidence.run_evidence import RunEvidence
from pytest_sslaudit.fleet.choice import read_choice, start_fleet
from pytest_sslaudit.fleet.parallel import ParallelAudit
from pytest_sslaudit.items.pairs import collected_tests, pairs_of
from pytest_sslaudit.items.waves import Waves
from pytest_sslaudit.reports.carried_results import FINAL, counted_result_of, is_grouped, results_of
from pytest_sslaudit.reports.completeness import (
    completeness_messages,
    judge_stale_waivers,
    messages_of_hosts,
    missing_results,
    outdated_messages,
)
from pytest_sslaudit.reports.destinations import require_writable_reports
from pytest_sslaudit.reports.results_file import ResultsFile
from pytest_sslaudit.reports.totals import RunTotals, SessionEnd, exit_status
from pytest_sslaudit.run_state import KEY, Run
from pytest_sslaudit.settings import Settings

_UNENDED: Final = (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR)
_PAIR: Final = operator.methodcaller("partition", " ")


class Controller:
    """The hooks of the process that the user started."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        """Open every output file before anything is observed; raises pytest.UsageError."""
        self.config = config
        self.settings = settings
        self.totals = RunTotals()
        self.writes_results = True  # when they are reported; False while results are reported that are written already
        self.state_fault: str | None = None  # as in `AuditRun`
        self.stop = threading.Event()
        self.interrupted = self.broken_collection = self.probed = False
        self._undo: list[Callable[[], object]] = []
        require_writable_reports(config)
        self.evidence = RunEvidence(settings, keeps=not config.option.collectonly)
        self._undo.append(self.evidence.close)
        self.store = self.evidence.store
        self.hosts = AuditedHosts(config, settings, self.store, self.stop)
        self.hosts.connections.sockets.temporary = lambda: (self.evidence.temporary,)
        self._undo.append(self.hosts.close)
        self._workers = read_choice(config, settings)
        self.results = None if config.option.collectonly else self._results_file()
        if self.results:
            self._undo.append(self.results.abandon)  # a usage error ends the run before its summary
        self._started = datetime.now(UTC)

    def _results_file(self) -> ResultsFile | None:
        """Open the results file; without one, reports are made from a temporary one."""
        if self.settings.results or not self.settings.reports:
            return ResultsFile(self.settings.results) if self.settings.results else None
        return ResultsFile(self.evidence.temporary / "results.jsonl")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Find the endpoints before anything is collected, and before xdist starts its workers."""
        self._end_cleanly_on_sigterm()
        inventory = self.store.inventory() if self.settings.from_evidence else self.hosts.first()
        now = self.settings.now or inventory.started
        keys = KeyIndex()
        run = self.run = self.config.stash[KEY] = Run(
            self.settings, self.store, inventory, now, keys.sharing, self.state_fault
        )
        self.observations = Observations(self.config, run, self.hosts, keys, self.totals, self.results, self.stop)
        run.record = self.record if self.settings.repair == "no" else None
        if not self.settings.from_evidence:
            run.observe = self.observations.observe_again
        self._write_head()
        for host in inventory.hosts:
            self.observations.write(run.observation_of(host))
        if self.hosts.are_awaited:
            self.config.pluginmanager.register(Waves(self.run, self), "sslaudit-waves")
        self._start_workers()

    def _start_workers(self) -> None:
        """Start as many worker processes as the endpoints are worth, which import the audit during the collection.

        Those of a cluster are connected to.
        """
        if self._workers is None or self.config.option.collectonly:
            return
        given, targets = self.settings.from_evidence, self.hosts.targets
        endpoints = self.run.inventory.endpoints if given else [t for t in targets if t == Target(t.endpoint)]
        added = [function for functions in self.config.stash[ADDED_CHECKS].values() for function in functions]
        self.hosts.connections.sockets.watch()  # the workers have files in the temporary directory of the run
        keys, folder = self.observations.keys, self.evidence.temporary
        fleet = start_fleet(self._workers, len(endpoints), added, folder)
        if fleet:
            parallel = self.observations.parallel = ParallelAudit(fleet, self.run, keys, added, folder)
            self._undo.append(parallel.close)

    def further(self) -> Inventory | None:
        """Wait until further hosts have ended; return them with their endpoints, None if there are none left."""
        if self.results:
            self.results.flush()  # the wait may be long
        part = self.hosts.more()
        if part is None:
            return None
        self.run.inventory = self.hosts.inventory
        for host in part.inventory.hosts:
            self.observations.write(self.run.observation_of(host))
        return part.inventory

    def probe(self, items: list[pytest.Item]) -> None:
        """Observe the endpoints of further hosts that these tests need."""
        self.observations.observe_needed(collected_tests(items, self.run))

    def note(self) -> None:
        """Show which hosts have ended, between two tests."""
        self.hosts.show()

    def _write_head(self) -> None:
        run = self.run.evaluation  # reads the trust anchors: a bad source is reported now
        provenance = self.evidence.provenance(self._started)
        self.totals.evidence = self.evidence.lines(provenance)
        named = run.policy.profiles if run.policy else ()
        if self.results:
            self.results.write(
                "run",
                schema=1,  # version of this format
                tool=provenance.tool,  # the program
                version=provenance.version,  # its version
                python=provenance.python,  # the version of Python
                platform=provenance.platform,  # the operating system
                # who is responsible: `operator` of the configuration, else the user of the process
                operator=provenance.operator,
                started=format_time(self._started),  # start of the run
                policy=[profile.name for profile in named],  # names of the policies that the user chose
                policy_sha256=dict(provenance.policies),  # digest of each policy that may apply, by name
                trust=list(self.settings.trust),  # sources of trust anchors
                trust_sha256=dict(provenance.trust),  # digest of the file of each source
                evidence=self.evidence.row,  # the evidence that is judged; null if the run observes
                # version, date and digest of the list of CT logs; null without one
                ct_log_list=run.log_list.row if run.log_list else None,
                # loaded extensions: kind, name, distribution, version
                extensions=[extension.row for extension in self.settings.extensions],
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401 - xdist has no types
        """Pass the directory of the observations to a worker; all processes have the same endpoints in one order."""
        node.workerinput["sslaudit"] = {
            "evidence": str(self.store.folder),
            "sockets": str(self.hosts.connections.sockets.open_folder or ""),
            "exchange": str(self.evidence.exchange.folder),
            "now": format_time(self.run.now),
            "ignores_files": ignores_files(self.config),
        }

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any) -> None:  # noqa: ANN401 - xdist has no types
        """Probe before anything is scheduled; every worker has collected the same."""
        collected = self.evidence.exchange.collected(node.workerinput["workerid"])
        if collected.usage_errors:
            raise pytest.UsageError(*collected.usage_errors)
        self.totals.deselected.update((check, endpoint) for check, _, endpoint in map(_PAIR, collected.deselected))
        self._probe(collected)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Observe the endpoints that the collected tests need, before they run; judge the waivers after them."""
        runs_here = not self.config.pluginmanager.hasplugin("dsession") and not self.config.option.collectonly
        if runs_here and not session.testsfailed:
            self._probe(collected_tests(session.items, self.run))
        done = yield
        if not self.config.option.collectonly and not self.broken_collection:
            judge_stale_waivers(self.run, self.config, self.totals)
        return done

    def _probe(self, collected: CollectedTests) -> None:
        """Observe every endpoint that the tests need, once in the run; write the shared keys for the workers."""
        if self.probed:
            return
        self.probed = True
        self.observations.observe_needed(collected)
        self.observations.is_complete = True
        if self.config.pluginmanager.hasplugin("dsession"):
            self.evidence.exchange.keep_shared_keys(self.observations.keys.shared())

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count and write each result when it is reported."""
        self.totals.repeated |= report.outcome not in FINAL
        if report.when == "teardown":
            return
        if is_grouped(report):
            for result, outcome in results_of(report):
                self.record(result, outcome)
            return
        single = counted_result_of(report)
        if single and self._count(single, report.outcome) and self.results:
            self.results.result(report)

    def record(self, result: Result, outcome: str) -> None:
        """Count a result of a test that reports many, and write it if it is new: after a repair, some of them are."""
        is_new = self._count(result, outcome) and self.run.is_of_last_phase(result)
        if is_new and self.results:
            self.results.row(result)

    def _count(self, result: Result, outcome: str) -> bool:
        """Count a result; return whether it is to be written."""
        if self.totals.repeated and not self.settings.from_evidence:
            self.observations.write_renewed(result.endpoint)
        return self.totals.add(result, outcome) and self.writes_results

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Record which checks were deselected, by pytest's options or by a plugin."""
        self.totals.deselected.update(pairs_of(items))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record that a module could not be collected: that is a bug in a check, not an interruption."""
        self.broken_collection = self.broken_collection or report.failed

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Record that the user or a signal ended the run."""
        self.interrupted = self.interrupted or excinfo.type is KeyboardInterrupt

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Set the exit status, and close the results file with its summary line."""
        self.hosts.end()
        if KEY in self.config.stash:
            self._note_missing_results()
            self._end_evidence(int(session.exitstatus))
        if self.results:
            self.results.flush()
            self.totals.gaps += (self.results.failure,) if self.results.failure else ()
        ended = SessionEnd(self.interrupted, self.broken_collection)
        session.exitstatus = exit_status(int(session.exitstatus), ended, self.totals)
        if self.results:
            self.results.close(
                endpoints=len(self.totals.endpoints),  # number of endpoints
                verdicts=dict(sorted(self.totals.verdicts.items())),  # number of results by verdict
                connections=self.totals.connections,  # number of connections
                elapsed_s=round((datetime.now(UTC) - self._started).total_seconds(), 3),  # duration in seconds
                exit_status=int(session.exitstatus),  # exit status of the run
                partial=list(self.totals.partial),  # ids of the endpoints for which a check has no result
            )

    def _note_missing_results(self) -> None:
        missing = missing_results(self.config, self.run, self.totals)
        self.totals.partial = tuple(dict.fromkeys(endpoint for _, endpoint in missing))
        if not self.interrupted:
            self.totals.gaps, self.totals.notes = completeness_messages(self.config, missing, self.totals)
            self.totals.gaps += outdated_messages(self.totals)
        self.totals.notes += messages_of_hosts(self.hosts.not_inspected)

    def _end_evidence(self, status: int) -> None:
        """Write the manifest of evidence, unless the run ended before everything was observed and judged."""
        observations = self.observations
        is_whole = observations.is_complete and not (self.interrupted or self.hosts.not_inspected)
        is_ended = is_whole and status not in _UNENDED
        failure = self.evidence.seal(self._started, datetime.now(UTC)) if is_ended else None
        self.totals.gaps += (failure,) if failure else ()
        self.totals.notes += (*self.evidence.notes, *(observations.parallel.notes if observations.parallel else ()))

    def pytest_unconfigure(self) -> None:
        """Remove temporary files and restore the signal handlers."""
        while self._undo:
            self._undo.pop()()

    def _end_cleanly_on_sigterm(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.signal(number, self._interrupt)
            self._undo.append(partial(signal.signal, number, before))

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        set_in_handler(self.stop)
        raise KeyboardInterrupt
