"""Twice the endpoints are twice the work, and no more: what is counted are instructions and calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar, Final, cast

import pytest

from audit.endpoint import Endpoint, parse_endpoint
from audit.evaluation.key_index import KeyIndex
from audit.evaluation.result import Result
from audit.observation import HostView, InstalledFile, Observation
from audit.probe import Target
from audit.verdict import Remedy, Severity, Verdict
from pytest_sslaudit.controller.hosts import AuditedHosts
from pytest_sslaudit.controller.observations import Observations
from pytest_sslaudit.evidence import EvidenceStore, Inventory
from pytest_sslaudit.reports.totals import RunTotals
from pytest_sslaudit.run_state import Run
from tests.support.evidence import NOW, keep, unreachable
from tests.support.work import calls_of, instructions_of

MOST: Final = 2.1
FINDING: Final = Result(
    "", None, None, "cert.expired", Verdict.FAIL, Severity.HIGH, "it has expired", {}, Remedy.REISSUE, "", (), "webpki"
)

SHARED: Final = 64 * "f"


class CountedTargets(tuple[Target, ...]):
    """Targets that count how often all of them are read."""

    __slots__ = ()
    read: ClassVar[int] = 0

    def __iter__(self) -> Iterator[Target]:
        CountedTargets.read += 1
        return super().__iter__()


def endpoints(count: int) -> list[Endpoint]:
    return [parse_endpoint(f"https://www{number}.example") for number in range(count)]


def growth_of(prepare: Callable[[int], Callable[[], object]]) -> float:
    """Return how many times the instructions twice the endpoints take; the work for the first is left out."""
    prepare(2)()  # what is done once in a process
    none, some, twice = (instructions_of(prepare(count)) for count in (1, 41, 81))
    return (twice - none) / (some - none)


def test_results_that_are_reported_again_are_counted_in_linear_time() -> None:
    def prepare(count: int) -> Callable[[], object]:
        results = [
            replace(FINDING, endpoint=str(endpoint), check=check, verdict=verdict)
            for endpoint in endpoints(count)
            for check, verdict in (("cert.expired", Verdict.FAIL), ("cert.sct", Verdict.WAIVED),
                                   ("cert.revoked", Verdict.INCONCLUSIVE), ("key.weak", Verdict.NOT_APPLICABLE))
        ]  # fmt: skip
        totals = RunTotals()
        return lambda: [totals.add(result, "failed") for result in (*results, *results)]

    assert growth_of(prepare) < MOST


def test_endpoints_without_observation_read_the_inventory_once(tmp_path: Path) -> None:
    def prepare(count: int) -> Callable[[], object]:
        folder = tmp_path / str(count)
        folder.mkdir()
        store, known = EvidenceStore(folder), endpoints(count)
        store.keep_inventory(Inventory(NOW, tuple(known), (), ()))
        return lambda: [store.observation_or_accident(endpoint) for endpoint in known]

    assert growth_of(prepare) < MOST


def test_key_of_many_endpoints_is_compared_once_while_other_keys_are_added() -> None:
    def prepare(count: int) -> Callable[[], object]:
        index, known = KeyIndex(), endpoints(2 * count)
        for endpoint in known[:count]:
            index.add(with_key(endpoint, SHARED))
        others = [with_key(endpoint, f"{number:064x}") for number, endpoint in enumerate(known[count:])]

        def act() -> None:
            for observation in others:
                index.add(observation)
                index.sharing(SHARED)

        return act

    assert growth_of(prepare) < MOST


def with_key(endpoint: Endpoint, digest: str) -> Observation:
    """Return the observation of an endpoint whose service names a key."""
    server = HostView("web1", "local://", "web1.example", files=(key(digest),))
    return replace(unreachable(endpoint), server=server)


def key(digest: str) -> InstalledFile:
    """Return a key that a service names."""
    return InstalledFile(f"/etc/ssl/{digest}.key", "key", owner="root", group="root", mode=0o600, spki_sha256=digest)


def test_targets_are_searched_by_their_ids_when_tests_run_again(tmp_path: Path) -> None:
    known = endpoints(5)
    observations = Observations.__new__(Observations)
    observations.hosts = AuditedHosts.__new__(AuditedHosts)
    observations.hosts.targets, observations._observed_at = CountedTargets(map(Target, known)), {}
    store = EvidenceStore(keep(tmp_path / "kept", [unreachable(endpoint) for endpoint in known]))
    observations.run = cast("Run", SimpleNamespace(store=store))
    for endpoint in known:
        observations.write_renewed(str(endpoint))
    assert CountedTargets.read == 1


def test_whole_run_calls_no_more_for_each_further_endpoint(pytester: pytest.Pytester) -> None:
    def calls(count: int) -> int:
        folder = keep(pytester.path / f"kept{count}", [unreachable(endpoint) for endpoint in endpoints(count)])
        given = ("--pyargs", "audit", "-q", f"--audit-from-evidence={folder}", "--audit-results=results.jsonl")
        return calls_of(lambda: pytester.runpytest_inprocess(*given, "--junitxml=junit.xml"))

    calls(1)  # loads what is loaded once
    few, more, most = (calls(count) for count in (3, 6, 9))
    assert most - more < 1.1 * (more - few)
