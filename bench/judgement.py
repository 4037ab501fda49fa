"""Measures the CPU time of the checks: every check is called over stored evidence of many endpoints.

    python -m bench.judgement [ENDPOINTS [ROUNDS]]

Each endpoint has its own certificate like those of public CAs, every second one with an RSA key, with two
intermediates, SCTs, its CRL and OCSP responses, and the files of its host. Checks of hosts and of the run are called
for each endpoint as well. The time includes reading the evidence, and is the minimum of several rounds. It does not
include pytest's items, and the optional libraries of `cert.lint-br` and `key.compromised`. Then all endpoints have one
certificate: it must not be parsed, and its path not be built, more often than for two endpoints. Exits with status 1 if
a limit is exceeded.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import _lru_cache_wrapper
from pathlib import Path
from types import FrameType
from typing import Any, Final

from audit.checks import Check
from audit.endpoint import Endpoint
from audit.evaluation.facts import FACTS, Facts
from audit.evaluation.key_index import KeyIndex
from audit.evaluation.run import EvaluationRun
from audit.verdict import Judgement, NotApplicable, Passed
from audit.x509.path.trust_store import TrustAnchors
from bench.evidence import found, observations
from bench.fleet.plain_installation import hide_optional_libraries
from pytest_sslaudit.evidence import EvidenceStore
from tests.repository.documents import checks

CPU_MS: Final = 3.0  # an endpoint
READING: Final = "reading the evidence"
PATH: Final = "the certificate and its path"
_LEFT_OUT: Final = "cert.lint-br"  # an extra of its own, and slow
COUNTED: Final = {
    "load_der_x509_certificate": "parsed",
    "validate_path": "its path built",
    "verify": "a signature verified",
}
CHECKS: Final = tuple(
    (check, function, tuple(inspect.signature(function).parameters))
    for check, function in checks()
    if check.id != _LEFT_OUT
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A directory of evidence, and the values of the run."""

    folder: Path
    anchors: TrustAnchors
    keys: KeyIndex
    now: datetime
    endpoints: tuple[Endpoint, ...]

    @property
    def run(self) -> EvaluationRun:
        """The values that the checks are evaluated with."""
        return EvaluationRun(self.now, self.anchors, sharing_of=self.keys.sharing)


@dataclass(slots=True)
class Judge:
    """Calls the checks, and keeps by name their verdicts and CPU seconds."""

    evidence: Evidence
    run: EvaluationRun
    spent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    ended: Counter[str] = field(default_factory=Counter)

    def judge(self, endpoint: Endpoint) -> None:
        """Call every check about an endpoint."""
        began = time.thread_time()
        facts = Facts(EvidenceStore(self.evidence.folder).observation_or_accident(endpoint), self.run)
        self.spent[READING] += (now := time.thread_time()) - began
        began, _ = now, facts.policy  # it depends on the anchor of the path
        self.spent[PATH] += (now := time.thread_time()) - began
        for check, function, names in CHECKS:
            ending = self._ending(check, function, names, facts)
            began, now = now, time.thread_time()
            self.spent[check.id] += now - began
            self.ended[ending] += 1

    def _ending(self, check: Check, function: Callable[..., None], names: tuple[str, ...], facts: Facts) -> str:
        try:
            if facts.policy.applies(check.id):
                function(**{name: self._fact(name, check, facts) for name in names})
        except NotApplicable:
            return "not applicable"
        except Passed:
            return "passed"
        except Judgement as judgement:
            return f"{check.id}: {judgement.reason}"
        return "passed"

    def _fact(self, name: str, check: Check, facts: Facts) -> object:
        return facts.policy.having(check.id) if name == "policy" else FACTS[name](facts, self.run)


def main(endpoints: int, rounds: int) -> int:
    """Measure, print it, and return the exit status."""
    hide_optional_libraries()
    with _kept(endpoints, distinct=True) as evidence:
        cpu_ms, judge = min((_round(evidence) for _ in range(rounds)), key=lambda pair: pair[0])
    _print(cpu_ms, judge)
    counts = [counted(number) for number in (2, endpoints)]
    words = ", ".join(f"{word} {counts[1][name]} times" for name, word in COUNTED.items())
    print(f"one certificate at {endpoints} endpoints: {words}{'' if counts[0] == counts[1] else '  BROKEN'}")
    return int(cpu_ms > CPU_MS or counts[0] != counts[1] or not judge.ended.keys() <= {"passed", "not applicable"})


def _round(evidence: Evidence) -> tuple[float, Judge]:
    """Judge every endpoint again and return the CPU milliseconds per endpoint; the first one only loads modules."""
    _forget()
    judge = Judge(evidence, evidence.run)
    first, *rest = evidence.endpoints
    judge.judge(first)
    judge.spent.clear()
    judge.ended.clear()
    began = time.process_time()
    for endpoint in rest:
        judge.judge(endpoint)
    return 1000 * (time.process_time() - began) / len(rest), judge


def counted(endpoints: int) -> dict[str, int]:
    """Return the calls of costly functions for one certificate at this many endpoints."""
    with _kept(endpoints, distinct=False) as evidence:
        _forget()
        judge = Judge(evidence, evidence.run)
        with _counting() as calls:
            for endpoint in evidence.endpoints:
                judge.judge(endpoint)
    return {name: calls[name] for name in COUNTED}


def _print(cpu_ms: float, judge: Judge) -> None:
    judged = len(judge.evidence.endpoints) - 1
    endings = ", ".join(f"{count} {ending}" for ending, count in judge.ended.items())
    print(f"{judged} endpoints, {len(CHECKS)} checks of each: {endings}")
    print(f"CPU an endpoint {cpu_ms:6.2f} ms  (at most {CPU_MS:g}){'' if cpu_ms <= CPU_MS else '  BROKEN'}")
    dearest = sorted(judge.spent.keys() - {READING, PATH}, key=lambda name: -judge.spent[name])
    for name in (READING, PATH, *dearest[:5]):
        print(f"  {name:30}{1000 * judge.spent[name] / judged:6.2f} ms")


@contextmanager
def _kept(endpoints: int, *, distinct: bool) -> Iterator[Evidence]:
    """Store the evidence of this many endpoints while the block runs."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        now = datetime.now(UTC)
        authorities, keys, known = found(now), KeyIndex(), list[Endpoint]()
        for observation in observations(authorities, endpoints, distinct=distinct):
            EvidenceStore(Path(name)).keep(observation)
            keys.add(observation)
            known.append(observation.endpoint)
        yield Evidence(Path(name), authorities.anchors, keys, now, tuple(known))


def _forget() -> None:
    """Clear the caches of certificates; loaded libraries and lists stay."""
    modules = [module for name, module in sys.modules.items() if name.startswith("audit.")]
    for cache in (value for module in modules for value in vars(module).values()):
        if isinstance(cache, _lru_cache_wrapper) and cache.cache_parameters()["maxsize"] is not None:
            cache.cache_clear()


@contextmanager
def _counting() -> Iterator[Counter[str]]:
    """Count the calls of functions by name, those of libraries included."""
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, called: Any) -> None:  # noqa: ANN401 - a function of any type
        if event == "call":
            calls[frame.f_code.co_name] += 1
        elif event == "c_call":
            calls[called.__name__] += 1

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*given, *(300, 5)[len(given) :]))
