"""Observes and judges the endpoints of a chunk, and reports each as soon as it is judged."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from audit.analysis.key_reuse import Sharing, key_uses
from audit.analysis.revocation.judgement import REVOKED
from audit.checks import Check, built_in_checks, check_of
from audit.endpoint import Endpoint
from audit.engine import make_observer, make_run
from audit.evaluation.chains import combined
from audit.evaluation.evaluate import CheckFunction, assess, judge_chains, make_result
from audit.evaluation.facts import Facts
from audit.evaluation.observation_row import observation_row
from audit.evaluation.outcome import outcome_of
from audit.evaluation.result import Result
from audit.evaluation.run import EvaluationRun
from audit.fleet.chunk import Chunk, ChunkTarget, EndpointReply, WorkerSettings, results_text
from audit.json_codec import compact, to_json
from audit.observation import Observation
from audit.probe import Slots, Target
from audit.verdict import Judgement
from audit.x509.loading import UnreadableField
from audit.x509.path.served_chain import EmptyChain

_VERDICTS: Final = (Judgement, UnreadableField, EmptyChain)
"""The exceptions of a check that are verdicts. The run judges a check that raises another one itself: pytest explains
an assertion, and shows where an error was raised."""
Report = Callable[[EndpointReply], None]
NextChunk = Callable[[bool], Chunk | None]
"""Returns the next chunk if one has come. With True, nothing is in progress: it may wait for a chunk, and None is the
end."""


class ChunkAuditor:
    """The audit of one worker: trust anchors, checks and fetched responses are read once for all chunks."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        keep: Callable[[Observation], None] | None = None,
        stop: threading.Event | None = None,
        slots: Slots | None = None,
    ) -> None:
        """Read the settings. `keep` stores an observation, which is otherwise in the reply.

        After `stop` is set, endpoints that were not observed yet are left out. Other processes of the run share the
        limit per address by `slots`.
        """
        for_engine = settings.for_engine()
        self._keep = keep
        self._functions = dict(_functions(settings.modules))
        self._in_work = dict[str, tuple[str, ...]]()  # by id of an endpoint: the checks to judge
        # by id of an endpoint in work or a host: the checks of the run for it
        self._judged = dict[str, frozenset[str]]()
        self._run = replace(make_run(for_engine, _not_shared), is_judged=self._is_judged)
        self._observer = make_observer(
            self._run, for_engine, self._wants_revocation, stop or threading.Event(), slots=slots
        )

    def audit(self, chunk: Chunk, report: Report) -> None:
        """Observe the endpoints of a chunk, and report each when it is judged."""
        chunks = [chunk]
        self.audit_all(lambda _: chunks.pop() if chunks else None, report)

    def audit_all(self, next_chunk: NextChunk, report: Report) -> None:
        """Observe the endpoints of chunks as they come, also while others are in progress, and report each."""

        def further(is_idle: bool) -> Sequence[Target] | None:  # noqa: FBT001 - as `Further`
            chunk = next_chunk(is_idle)
            if chunk is None:
                return None if is_idle else ()
            self._begin(chunk.targets)
            return [Target(target.endpoint, dns=target.dns) for target in chunk.targets]

        def observed(observation: Observation) -> None:
            with self._observer.turn:
                if self._keep:
                    self._keep(observation)
                reply = self._reply(observation, has_observation=self._keep is None)
            report(reply)

        self._observer.observe((), observed, further)

    def judge(self, chunk: Chunk, observation_of: Callable[[Endpoint], Observation], report: Report) -> None:
        """Judge observations that exist already, and report each endpoint."""
        self._begin(chunk.targets)
        for target in chunk.targets:
            report(self._reply(observation_of(target.endpoint), has_observation=False))

    def _begin(self, targets: Sequence[ChunkTarget]) -> None:
        """Note which checks the run has for these endpoints and their hosts."""
        sets = {ids: frozenset(ids) for target in targets for ids in (target.checks, target.of_host)}
        for target in targets:
            name = str(target.endpoint)
            self._in_work[name], self._judged[name] = target.checks, sets[target.checks]
            if target.endpoint.host:
                self._judged[f"{target.endpoint.host}/"] = sets[target.of_host]

    def _is_judged(self, check: str, endpoint: Endpoint) -> bool:
        return check in self._judged.get(str(endpoint), ())

    def _wants_revocation(self, observation: Observation) -> bool:
        return self._is_judged(REVOKED, observation.endpoint)

    def _reply(self, observation: Observation, *, has_observation: bool) -> EndpointReply:
        """Judge an endpoint, which is no longer in work then."""
        facts, name = Facts(observation, self._run), str(observation.endpoint)
        try:
            uses, row = key_uses(observation), compact(observation_row(facts))
        except Exception:  # noqa: BLE001 - the boundary of one endpoint: the run finds the same and reports its trace
            uses, row = (), ""
        known = (self._functions[check] for check in self._in_work.pop(name) if check in self._functions)
        results = [_result(check, function, facts, self._run) for check, function in known]
        del self._judged[name]
        return EndpointReply(
            endpoint=name,
            observed_at=observation.observed_at,
            connections=observation.connections,
            uses=uses,
            row=row,
            results=results_text([result for result in results if result is not None]),
            observation=compact(to_json(observation)) if has_observation else "",
        )


def _functions(modules: Iterable[str]) -> Iterator[tuple[str, tuple[Check, CheckFunction]]]:
    """Yield the checks that a worker has by their ids: the built-in ones, and those of the modules it can import."""
    for function in (*built_in_checks(), *_added(modules)):
        check = check_of(function)
        if check is not None:
            yield check.id, (check, function)


def _added(modules: Iterable[str]) -> Iterator[CheckFunction]:
    """Yield the checks of modules; none with `python -O`, which leaves out their assert statements."""
    for name in modules if __debug__ else ():
        try:
            module = importlib.import_module(name)
        except Exception:  # noqa: BLE001, S112 - the run has these checks, and judges them itself
            continue
        yield from (value for value in vars(module).values() if check_of(value) is not None)


def _result(check: Check, function: CheckFunction, facts: Facts, run: EvaluationRun) -> Result | None:
    """Return the result of a check; None if the run has to judge it."""
    try:
        chains = judge_chains(check, function, facts, run)
        if not all(chain.error is None or isinstance(chain.error, _VERDICTS) for chain in chains):
            return None
        decisive, outcome = combined(chains, outcome_of)
        return make_result(assess(outcome, check, decisive.facts, run), check, decisive.facts, run)
    except Exception:  # noqa: BLE001 - the boundary of one result: the run finds the same and reports its trace
        return None


def _not_shared(_digest: str) -> Sharing:
    """Return that a key is not shared: only the run has the keys of all workers."""
    return Sharing()
