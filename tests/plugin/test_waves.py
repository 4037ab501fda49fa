"""Hosts that respond late are judged after the others, by the same tests and with the same results."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest

from audit.endpoint import Endpoint, parse_endpoint
from audit.host.discovery.slots import InspectionSlots, Pacing
from audit.observation import HostView, Observation, ProbeFailure
from audit.probe import Limits, Target
from audit.probe.deadline import Deadline
from pytest_sslaudit import controller  # noqa: F401 - kept loaded: pytester drops what a run inside the process loads
from tests.plugin.test_repeated_tests import RERUNS
from tests.support.endpoint_facts import INTERMEDIATE, served
from tests.support.evidence import NOW, rows
from tests.support.probe.tls_servers import both, serving, tls
from tests.support.x509.certificates import key_named, leaf

HANGING, WELL = "hanging", "well"
HOSTS: Final = f"--hosts=ssh://{HANGING}1,ssh://{WELL}1,ssh://{HANGING}2,ssh://{WELL}2"
GIVEN: Final = ("--pyargs", "audit", "--audit-results=results.jsonl", "--audit-policy=webpki")
KEY: Final = key_named("shared by hosts")
LONG_S: Final = 60.0
ITEMS: Final = ("each", "endpoint", "check")
Ends = Callable[[str], bool]


def endpoint_on(label: str) -> Endpoint:
    """Return the endpoint of a host."""
    return replace(parse_endpoint(f"https://{label}.example"), host=label, hostspec=f"ssh://{label}")


def observed(endpoint: Endpoint) -> Observation:
    """Return an endpoint with a certificate of its own, and the key that all of them have."""
    certificate = leaf(endpoint.name).with_key(KEY).by(INTERMEDIATE)
    address = f"192.0.2.{1 + sum(map(ord, endpoint.name)) % 200}"
    return Observation(endpoint, NOW, (address,), (served(certificate, INTERMEDIATE, address=address),))


@dataclass
class Fleet:
    """Hosts with an endpoint each; one that hangs ends when `ends` returns true for it, or when the run stops."""

    ends: Ends = lambda _: True
    failing: frozenset[str] = frozenset()
    observed: list[str] = field(default_factory=list)  # in the order of observation
    stopped: list[str] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)  # of the observer

    def inspect(self, host: Any, _options: object, _clock: object) -> tuple[Observation, tuple[Target, ...]]:  # noqa: ANN401 - a host
        """Inspect a host."""
        stop: threading.Event = host.stop
        deadline = Deadline.after(LONG_S)
        while host.label.startswith(HANGING) and not self.ends(host.label):
            if stop.wait(0.02) or deadline.has_passed:
                self.stopped.append(host.label)
                break
        whole = Endpoint.of_host(host.label, host.hostspec)
        if host.label in self.failing:
            return Observation(whole, NOW, failures=(ProbeFailure("login", "timeout", f"{host.hostspec} hangs"),)), ()
        view = HostView(host.label, host.hostspec, f"{host.label}.example")
        return Observation(whole, NOW, server=view), (Target(endpoint_on(host.label), server=view),)

    def observe(self, targets: Sequence[Target], report: Callable[[Observation], None]) -> None:
        """Observe endpoints, as `audit.engine.Observer` does."""
        for target in targets:
            self.observed.append(str(target.endpoint))
            report(observed(target.endpoint))


class TwoWaves(InspectionSlots):
    """Slots for which the hosts that hang are slow, and no others; there are as many slots as hosts."""

    labels: tuple[str, ...] = (f"{HANGING}1", f"{WELL}1", f"{HANGING}2", f"{WELL}2")

    def is_settled(self, _now: float) -> bool:
        """Return whether all hosts that do not hang have ended."""
        open_hosts = {*self._waiting, *self._running}
        return all(self.labels[number].startswith(HANGING) for number in open_hosts)


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """Return the hosts of the runs of a test."""
    hosts = Fleet()
    monkeypatch.setattr("audit.host.inspect.inspect", hosts.inspect)
    monkeypatch.setattr("audit.host.discovery.pool.InspectionSlots", TwoWaves)
    monkeypatch.setattr("audit.host.discovery.pool.Pacing", lambda: Pacing(settle_s=0.05))
    monkeypatch.setattr("pytest_sslaudit.controller.observations.make_observer", lambda *_, **_options: hosts)
    return hosts


def once_judged(beginning: str) -> Ends:
    """Return the function for hosts that end when the results file has a result of an endpoint whose id begins so."""

    def ends(_: str) -> bool:
        file = Path("results.jsonl")
        pattern = rf'"kind": ?"result".*"{beginning}.*https:'
        return file.exists() and bool(re.search(pattern, file.read_text()))

    return ends


def verdicts(pytester: pytest.Pytester) -> dict[tuple[str, str], str]:
    """Return the verdicts of the last run, each of which is there once."""
    found = rows(pytester.path / "results.jsonl")
    judged = {(row["endpoint"], row["check"]): row["verdict"] for row in found}
    assert len(judged) == len(found)
    return judged


def without_deselected(outcomes: dict[str, int]) -> dict[str, int]:
    """Return the counts of outcomes: a check of several waves is deselected in each of them."""
    return {outcome: count for outcome, count in outcomes.items() if outcome != "deselected"}


def in_order(pytester: pytest.Pytester, *but: str) -> list[str]:
    """Return the endpoints in the order of their first result, without the results of some checks."""
    found = rows(pytester.path / "results.jsonl")
    return list(dict.fromkeys(row["endpoint"] for row in found if row["check"] not in but))


@pytest.mark.parametrize("items", ITEMS)
def test_well_hosts_are_judged_while_others_hang(pytester: pytest.Pytester, fleet: Fleet, items: str) -> None:
    fleet.ends = once_judged(f"{WELL}2")
    ended = pytester.runpytest(*GIVEN, HOSTS, f"--audit-items={items}")
    assert fleet.stopped == []
    assert {label.partition("/")[0] for label in in_order(pytester)[:4]} == {f"{WELL}1", f"{WELL}2"}
    assert len(in_order(pytester)) == 8
    ended.stdout.fnmatch_lines([
        f"{WELL}?: 1 endpoint (1 of 4 hosts, awaited: *)",
        f"judged later, when they have responded: {HANGING}1, {HANGING}2",
        f"{HANGING}?: 1 endpoint (4 of 4 hosts)",
    ])  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("-k", "test_key"), ("--audit-check=key.*",), ("-m", "not sslaudit"),
        ("--audit-items=endpoint",), ("--audit-items=endpoint", "-k", "test_key or hanging2"),
        ("--audit-items=check",), ("--audit-items=check", "-k", "test_key or hanging2"),
        ("--audit-items=check", "--deselect=checks/test_key.py::test_key_is_of_one_service"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_verdicts_equal_those_of_a_run_of_one_wave(
    pytester: pytest.Pytester, fleet: Fleet, arguments: tuple[str, ...]
) -> None:
    whole = pytester.runpytest(*GIVEN, HOSTS, *arguments)
    expected, outcomes = verdicts(pytester), whole.parseoutcomes()
    reports = iter((False, False))
    fleet.ends = once_judged(f"{WELL}2") if expected else lambda _: next(reports, True)
    in_waves = pytester.runpytest(*GIVEN, HOSTS, *arguments)
    assert verdicts(pytester) == expected
    assert in_waves.ret == whole.ret
    assert without_deselected(in_waves.parseoutcomes()) == without_deselected(outcomes)
    assert len([row for row in rows(pytester.path / "results.jsonl", "observation") if row["endpoint"][-1] != "/"]) == (
        4 if expected else 0
    )


@pytest.mark.parametrize("items", ITEMS)
def test_shared_key_is_found_across_waves(pytester: pytest.Pytester, fleet: Fleet, items: str) -> None:
    fleet.ends = once_judged(f"{WELL}1")
    pytester.runpytest(*GIVEN, HOSTS, f"--audit-items={items}")
    judged = verdicts(pytester)
    labels = (f"{HANGING}1", f"{HANGING}2", f"{WELL}1", f"{WELL}2")
    assert [judged[str(endpoint_on(label)), "key.reuse"] for label in labels] == ["fail"] * 4


def test_named_endpoints_are_judged_while_all_hosts_hang(pytester: pytest.Pytester, fleet: Fleet) -> None:
    fleet.ends = once_judged("https://named")
    pytester.runpytest(*GIVEN, f"--hosts=ssh://{HANGING}1", "--audit-endpoint=https://named.example")
    assert in_order(pytester)[0] == "https://named.example:443"
    assert fleet.stopped == []


@pytest.mark.parametrize("items", ITEMS)
def test_hosts_are_judged_in_waves_beside_worker_processes(pytester: pytest.Pytester, fleet: Fleet, items: str) -> None:
    with serving(tls(both(leaf("named.example").with_key(KEY).by(INTERMEDIATE)))) as server:
        named = f"https://named.example:{server.port}/?address=127.0.0.1"
        given = (*GIVEN, HOSTS, f"--audit-endpoint={named}", "--audit-workers=1", f"--audit-items={items}")
        whole = pytester.runpytest(*given)
        expected = verdicts(pytester)
        fleet.ends = once_judged(f"{WELL}2")
        in_waves = pytester.runpytest(*given)
    assert verdicts(pytester) == expected
    assert in_waves.ret == whole.ret
    assert not any("named" in endpoint for endpoint in fleet.observed)  # the worker has observed it
    assert {verdict for (_, check), verdict in expected.items() if check == "key.reuse"} == {"fail"}
    late = [name for name in in_order(pytester, "key.reuse") if name.startswith(HANGING)]
    assert in_order(pytester, "key.reuse")[-4:] == late
    assert fleet.stopped == []


def test_host_that_fails_late_is_judged_too(pytester: pytest.Pytester, fleet: Fleet) -> None:
    fleet.ends, fleet.failing = once_judged(f"{WELL}2"), frozenset({f"{HANGING}1"})
    ended = pytester.runpytest(*GIVEN, HOSTS)
    assert verdicts(pytester)[f"{HANGING}1/", "svc.unreachable"] == "inconclusive"
    ended.stdout.fnmatch_lines([f"{HANGING}1: ssh://{HANGING}1 hangs (* of 4 hosts*)"])


def test_first_failure_ends_a_run_that_stops_at_it(pytester: pytest.Pytester, fleet: Fleet) -> None:
    fleet.ends = lambda _: False
    ended = pytester.runpytest(*GIVEN, HOSTS, "-x")
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    assert sorted(fleet.stopped) == [f"{HANGING}1", f"{HANGING}2"]
    ended.stdout.fnmatch_lines([
        f"*the run ended before these hosts were judged: {HANGING}1, {HANGING}2"
    ])  # fmt: skip


@pytest.mark.parametrize("items", ITEMS)
def test_interrupt_ends_the_wait(pytester: pytest.Pytester, fleet: Fleet, items: str) -> None:
    has_judged = once_judged(f"{WELL}2")

    def interrupt(label: str) -> bool:
        if label == f"{HANGING}1" and has_judged(label) and not interrupted:
            interrupted.append(label)
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    interrupted: list[str] = []
    fleet.ends = interrupt
    ended = pytester.runpytest(*GIVEN, HOSTS, f"--audit-items={items}", no_reraise_ctrlc=True)
    assert ended.ret == pytest.ExitCode.INTERRUPTED
    assert sorted(fleet.stopped) == [f"{HANGING}1", f"{HANGING}2"]
    assert rows(pytester.path / "results.jsonl", "summary")[0]["exit_status"] == 2


OWN: Final = """
import pytest
from audit import check

@pytest.fixture(scope="session", autouse=True)
def session_of_tests():
    print("set up once")
    yield

@check("acme.own", severity="high")
def test_own(certificate, tmp_path):
    assert certificate

def test_endpoint(endpoint):
    assert endpoint

def test_ordinary():
    assert True
"""


def test_own_tests_run_once_for_each_endpoint(pytester: pytest.Pytester, fleet: Fleet) -> None:
    fleet.ends = once_judged(f"{WELL}2")
    pytester.makepyfile(test_own=OWN)
    ended = pytester.runpytest("test_own.py", "--audit-results=results.jsonl", HOSTS, "-s", "-v")
    ended.assert_outcomes(passed=9)
    assert ended.stdout.str().count("set up once") == 1
    assert ended.stdout.str().count("test_ordinary") == 1


PRINTING: Final = """
import warnings
from audit import check

@check("acme.prints", severity="high")
def test_prints(endpoint):
    print("printed for", endpoint.host)
    warnings.warn("old", DeprecationWarning)
    raise ZeroDivisionError("a bug")

@check("acme.compared", severity="low")
def test_compared(key_sharing):
    pass
"""


@pytest.mark.parametrize("items", ITEMS)
def test_output_and_warnings_of_a_check_are_those_of_a_test(
    pytester: pytest.Pytester, fleet: Fleet, items: str
) -> None:
    fleet.ends = once_judged(f"{WELL}2")
    pytester.makepyfile(test_own=PRINTING)
    given = ("test_own.py", "-W", "always::DeprecationWarning", "--audit-results=results.jsonl", HOSTS)
    ended = pytester.runpytest(*given, f"--audit-items={items}")
    found = rows(pytester.path / "results.jsonl")
    assert Counter(row["message"] for row in found) == {"ZeroDivisionError: a bug": 4, "": 4}
    assert ended.parseoutcomes()["warnings"] == 4
    lines = [line for line in ended.outlines if line.startswith("printed for")]
    assert sorted(lines) == [f"printed for {label}" for label in (f"{HANGING}1", f"{HANGING}2", f"{WELL}1", f"{WELL}2")]
    assert ended.outlines.index(lines[0]) > ended.outlines.index(next(x for x in ended.outlines if "FAILURES" in x))


ONCE: Final = """
from audit import check, require

attempts = []

@check("acme.once", severity="high")
def test_once(endpoint):
    attempts.append(endpoint)
    require(attempts.count(endpoint) > 1, "only the first time")

@check("acme.compared", severity="high")
def test_compared(key_sharing):
    assert key_sharing
"""


@pytest.mark.parametrize("items", ITEMS)
def test_repeated_test_is_observed_and_judged_again(pytester: pytest.Pytester, fleet: Fleet, items: str) -> None:
    fleet.ends = once_judged(f"{WELL}2")
    pytester.makeconftest(RERUNS)
    pytester.makepyfile(test_own=ONCE)
    ended = pytester.runpytest("test_own.py", "--audit-results=results.jsonl", HOSTS, f"--audit-items={items}")
    assert ended.ret == 0
    assert ended.parseoutcomes() == {"each": {"passed": 8, "rerun": 4}, "endpoint": {"passed": 4, "rerun": 4},
                                     "check": {"passed": 2, "rerun": 1}}[items]  # fmt: skip
    last = {(row["endpoint"], row["check"]): row["verdict"] for row in rows(pytester.path / "results.jsonl")}
    assert set(last.values()) == {"pass"}
    assert len(last) == 8
    assert len(fleet.observed) == 8


def test_own_tests_without_any_endpoint_are_skipped(pytester: pytest.Pytester, fleet: Fleet) -> None:
    fleet.failing = frozenset({f"{HANGING}1", f"{WELL}1", f"{HANGING}2", f"{WELL}2"})
    reports = iter((False, False, False, False))
    fleet.ends = lambda _: next(reports, True)
    pytester.makepyfile(test_own=OWN)
    ended = pytester.runpytest("test_own.py", "--audit-policy=webpki", HOSTS)
    ended.assert_outcomes(passed=1, skipped=1)


@pytest.mark.parametrize("arguments", [("--collect-only", "-q"), ("--lf",), ("-n1",), ("--setup-only",)])
def test_run_that_needs_all_tests_at_once_has_one_wave(
    pytester: pytest.Pytester, fleet: Fleet, arguments: tuple[str, ...]
) -> None:
    times = iter(range(3))
    fleet.ends = lambda _: next(times, None) is None
    ended = pytester.runpytest(*GIVEN, HOSTS, *arguments)
    assert "judged later" not in ended.stdout.str()
    ids = ended.stdout.str() if "--collect-only" in arguments else (pytester.path / "results.jsonl").read_text()
    assert f"{HANGING}1/https" in ids


def test_checks_that_apply_to_nothing_are_a_usage_error(pytester: pytest.Pytester, fleet: Fleet) -> None:
    reports = iter((False, False))
    fleet.ends = lambda _: next(reports, True)
    ended = pytester.runpytest(*GIVEN, HOSTS, "--audit-check=ops.waiver-*")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    assert "these checks do not apply to any host or endpoint of this run" in ended.stderr.str()


def test_quiet_run_names_no_hosts(pytester: pytest.Pytester, fleet: Fleet) -> None:
    fleet.ends = once_judged(f"{WELL}2")
    ended = pytester.runpytest(*GIVEN, HOSTS, "-q", "--audit-check=svc.*")
    assert "of 4 hosts" not in ended.stdout.str()
    assert "judged later" not in ended.stdout.str()


def test_evidence_has_the_hosts_of_all_waves(pytester: pytest.Pytester, fleet: Fleet) -> None:
    fleet.ends = once_judged(f"{WELL}2")
    pytester.runpytest(*GIVEN, HOSTS, "--audit-evidence=evidence")
    expected = verdicts(pytester)
    pytester.runpytest(*GIVEN, "--audit-from-evidence=evidence")
    assert verdicts(pytester) == expected
