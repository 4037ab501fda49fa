"""A run with worker processes has the results, reports and exit status of a run without, whatever they end with."""

from __future__ import annotations

import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from audit.checks import check_ids
from audit.endpoint import Endpoint
from audit.evaluation.result import Result
from pytest_sslaudit.fleet.result_spool import ResultSpool
from pytest_sslaudit.items import judging
from pytest_sslaudit.outcome import Decision, decide_given
from pytest_sslaudit.run_state import Run as AuditRun
from tests.plugin.test_workers import ALL, CORP, FINDINGS, OWN, WAIVER, WAIVERS, junit_of, results_of, summary_of
from tests.support.distributions import Distribution
from tests.support.endpoint_facts import GOOD
from tests.support.evidence import keep, rows
from tests.support.observations import EXPIRED, SELF_SIGNED, hostile, recorded, seen
from tests.support.probe.tls_servers import both, closed_port, say, serving, tls
from tests.support.x509.certificates import rsa_key

RULES: Final = """
import os, pathlib, signal, sys
from audit import check

def _in_worker():
    return "pytest" not in sys.modules

@check("ext.passes", severity="low")
def test_passes(endpoint, certificate): pass

@check("ext.short-names", severity="high")
def test_short_names(endpoint):
    "Every name is short."
    assert len(endpoint.name) < 14

@check("ext.bug", severity="low")
def test_bug(endpoint):
    if endpoint.name == "self.example":
        raise KeyError("bug")

@check("ext.ends", severity="low")
def test_ends(endpoint):
    marker = pathlib.Path("ended")
    if endpoint.name == "ends.example" and _in_worker():
        os.kill(os.getpid(), signal.SIGKILL)
    if endpoint.name == "once.example" and _in_worker() and not marker.exists():
        marker.touch()
        os._exit(7)
"""
CONFIGURATION: Final = """
[extensions]
checks = ["rules"]
"""
NARROWED: Final = ("--audit-check=cert.*", "--audit-check=key.*", "--audit-check=ext.*", "--audit-check=svc.*")


@dataclass(frozen=True, slots=True)
class Run:
    """What a run left, without times."""

    status: int
    outcomes: dict[str, int]
    summary: list[str]
    results: list[dict[str, Any]]
    junit: list[Any]


@dataclass
class World:
    """A directory with checks of the user and of another distribution; `judged` are ids that workers have replied."""

    pytester: pytest.Pytester
    judged: list[str]
    given: list[str]  # ids of checks whose result came from a worker, each time

    def keep(self, *names: str) -> None:
        """Keep evidence of these names."""
        keep(self.pytester.path / "kept", [seen(name, GOOD) for name in names])

    def run(self, *arguments: str) -> Run:
        """Audit, with reports."""
        reports = ("--audit-results=results.jsonl", "--junitxml=junit.xml", "-rx", "-p", "no:cacheprovider")
        ended = self.pytester.runpytest("--pyargs", "audit", "--audit-state=state", *reports, *arguments)
        path = self.pytester.path
        summary = summary_of(ended.outlines)
        return Run(
            int(ended.ret), ended.parseoutcomes(), summary, results_of(path / "results.jsonl"),
            junit_of(path / "junit.xml"),
        )  # fmt: skip

    def verdicts(self, check: str) -> dict[str, str]:
        """Return the verdict of a check for each endpoint."""
        found = rows(self.pytester.path / "results.jsonl")
        return {row["endpoint"]: row["verdict"] for row in found if row["check"] == check}


@pytest.fixture
def world(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    judged, given, add = list[str](), list[str](), ResultSpool.add

    def noting(spool: ResultSpool, endpoint: str, results: str) -> None:
        judged.append(endpoint)
        add(spool, endpoint, results)

    monkeypatch.setattr(ResultSpool, "add", noting)

    def noting_given(run: AuditRun, endpoint: Endpoint, result: Result) -> Decision:
        given.append(result.check)
        return decide_given(run, endpoint, result)

    monkeypatch.setattr(judging, "decide_given", noting_given)
    rules = Distribution("rules", files={"rules_of_ext.py": RULES}, entry_points=(("checks", "rules", "rules_of_ext"),))
    (pytester.path / "installed").mkdir()
    monkeypatch.syspath_prepend(rules.unpack(pytester.path / "installed"))
    (pytester.path / "sslaudit.toml").write_text(CONFIGURATION)
    (pytester.path / "waivers.toml").write_text("".join(WAIVER.format(*one) for one in WAIVERS))
    (pytester.path / "corp.toml").write_text(CORP)
    pytester.makepyfile(test_own=OWN + FINDINGS + ALL.partition("def test_pair")[0])
    yield World(pytester, judged, given)
    sys.modules.pop("rules_of_ext", None)


@pytest.mark.parametrize(
    "arguments",
    [
        ("test_own.py", "--audit-waivers=waivers.toml", "--audit-policy=webpki", "--audit-policy=corp.toml"),
        ("-k", "expired or key.reuse or unreachable or short"),
        NARROWED,
    ],
    ids=["own checks", "keywords", "named checks"],
)
def test_workers_give_the_results_of_one_process_for_evidence(world: World, arguments: tuple[str, ...]) -> None:
    observations = [*recorded(), *hostile(6)]
    keep(world.pytester.path / "kept", observations)
    alone = world.run("--audit-from-evidence=kept", *arguments)
    assert world.judged == []
    spread = world.run("--audit-from-evidence=kept", *arguments, "--audit-workers=2")
    assert sorted(world.judged) == sorted(str(one.endpoint) for one in observations if not one.endpoint.is_host)
    assert spread == alone
    judged = Counter(
        row["check"]
        for row in spread.results
        if row["kind"] == "result" and row["verdict"] != "error" and not row["endpoint"].endswith("/")
    )
    for check, count in judged.items():  # pytest's own protocol judges in the run, at the ends of a block of tests
        if check in check_ids() and check != "key.reuse":
            assert count - 3 <= world.given.count(check) <= count
    verdicts = {row["verdict"] for row in spread.results if row["kind"] == "result"}
    assert {"pass", "fail", "inconclusive"} <= verdicts
    assert "error" in verdicts
    assert ("waived" in verdicts) == ("test_own.py" in arguments)


def test_workers_give_the_results_of_one_process_for_servers(world: World) -> None:
    rsa = GOOD.with_key(rsa_key(2048))
    scripts = (tls(both(GOOD)), tls(both(EXPIRED, rsa)), tls(both(SELF_SIGNED)), say(b"220 plain\r\n"))
    with (
        serving(scripts[0]) as a, serving(scripts[1]) as b, serving(scripts[2]) as c, serving(scripts[3]) as d,
        closed_port() as closed,
    ):  # fmt: skip
        urls = [f"https://n{number}.example:{server.port}/?address=127.0.0.1"
                for number, server in enumerate((a, b, c, d) * 5)]  # fmt: skip
        (world.pytester.path / "endpoints").write_text(
            "\n".join([*urls, f"https://127.0.0.1:{closed}", f"https://localhost:{a.port}", "not an endpoint"])
        )
        given = ("--audit-endpoints=endpoints", "--audit-now=2026-11-23T10:00:00Z", "test_own.py")
        alone, spread = world.run(*given), world.run(*given, "--audit-workers=2")
    assert len(world.judged) == len(set(world.judged)) == 22
    assert spread.status == alone.status
    assert spread.summary == alone.summary
    assert _timeless(spread) == _timeless(alone)


def _timeless(run: Run) -> list[dict[str, Any]]:
    """Return the rows without what each observation has of its own."""
    return [
        {name: value for name, value in row.items() if name not in ("observed_at", "cipher", "group", "protocol")}
        for row in run.results
    ]


def test_worker_that_ends_once_costs_nothing(world: World) -> None:
    world.keep("a.example", "once.example", "z.example")
    run = world.run("--audit-from-evidence=kept", "--audit-workers=1")
    assert (world.pytester.path / "ended").exists()
    assert sorted(world.judged) == [f"https://{name}.example:443" for name in ("a", "once", "z")]
    assert set(world.verdicts("cert.expired").values()) == {"pass"}
    assert not [line for line in run.summary if "worker process" in line]


def test_endpoints_whose_workers_end_twice_are_inconclusive(world: World) -> None:
    world.keep(*(f"n{number}.example" for number in range(30)), "ends.example")
    world.run("--audit-from-evidence=kept", "--audit-workers=2", "-k", "not short and not own")
    assert world.verdicts("svc.unreachable") | {"https://ends.example:443": "inconclusive"} == {
        f"https://{name}.example:443": "inconclusive" if name == "ends" else "pass"
        for name in (*(f"n{number}" for number in range(30)), "ends")
    }
    (lost,) = [row for row in rows(world.pytester.path / "results.jsonl")
               if row["check"] == "svc.unreachable" and row["verdict"] == "inconclusive"]  # fmt: skip
    assert lost["message"] == "2 worker processes ended while they audited this endpoint: SIGKILL. Run the audit again."
    assert set(world.verdicts("cert.expired").values()) == {"pass", "inconclusive"}


def test_observed_endpoint_whose_workers_end_is_inconclusive(world: World) -> None:
    with serving(tls(both(GOOD))) as server:
        url = f"https://ends.example:{server.port}/?address=127.0.0.1"
        world.run("--audit-endpoint", url, "--audit-workers=1", "--audit-evidence=new")
    results = rows(world.pytester.path / "results.jsonl")
    assert {row["verdict"] for row in results} == {"inconclusive"}
    assert {row["message"].partition(":")[0] for row in results if row["check"] == "svc.unreachable"} == {
        "2 worker processes ended while they audited this endpoint"
    }


def test_endpoints_that_hang_delay_no_other_of_their_worker(world: World) -> None:
    others, seen, all_seen = 80, set[str](), threading.Event()

    def quick(connected: socket.socket) -> None:
        seen.add(connected.getsockname()[0])
        if len(seen) == others:
            all_seen.set()
        served(connected)

    def hang(connected: socket.socket) -> None:
        assert all_seen.wait(60)
        served(connected)

    served = tls(both(GOOD))
    with serving(quick, address="0.0.0.0") as server, serving(hang, address="0.0.0.0") as slow:
        urls = [f"https://a{number}.example:{slow.port}/?address=127.0.2.{number}" for number in range(1, 5)]
        urls += [
            f"https://b{number}.example:{server.port}/?address=127.0.1.{number}" for number in range(1, others + 1)
        ]
        (world.pytester.path / "endpoints").write_text("\n".join(urls))
        limits = ("--audit-timeout=60", "--audit-concurrency=8")
        world.run("--audit-endpoints=endpoints", "--audit-workers=1", *limits, "-k", "unreachable")
    assert Counter(world.verdicts("svc.unreachable").values()) == {"pass": len(urls)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--audit-workers=0",), "--audit-workers '0': write auto, a number of processes from 1 to 256, dask"),
        (("--audit-workers=-1",), "--audit-workers '-1': write auto"),
        (("--audit-workers=many",), "--audit-workers 'many': write auto"),
        (("--audit-workers=257",), "--audit-workers '257': write auto"),
        (("--audit-workers=2", "-n1"), "--audit-workers with -n: each starts processes of its own; leave out one"),
    ],
    ids=["none", "negative", "word", "too many", "xdist"],
)
def test_unusable_number_of_workers_is_a_usage_error(
    pytester: pytest.Pytester, arguments: tuple[str, ...], message: str
) -> None:
    run = pytester.runpytest("--pyargs", "audit", "--audit-endpoint=https://a.example", *arguments)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines([f"*{message}*"])


def test_number_of_workers_stands_in_the_configuration(world: World) -> None:
    world.keep("a.example", "z.example")
    (world.pytester.path / "sslaudit.toml").write_text(f'workers = "2"\n{CONFIGURATION}')
    world.run("--audit-from-evidence=kept")
    assert len(world.judged) == 2
