"""Measures CPU time and memory of a whole audit per endpoint, beside those of pytest for as many empty items.

    python -m bench.whole_audit [ENDPOINTS [ROUNDS]]

Every endpoint has its own certificate below one intermediate. The two CRLs must be fetched once in a run. The
certificates have no fault, except in the last run: there, one in ten has expired. Each run is a process. Its CPU time
is user and system time, and the minimum of several rounds counts, because a busy machine can only add to it. The time
of the servers is not included, and the optional linter of `cert.lint-br` does not run. Exits with status 1 if a limit
is exceeded.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from typing import Final

from bench.loopback import FAULTY, SOUND, Fleet, fleet
from bench.processes import Usage, measured, output_of

ITEM_CPU_MS: Final = 1.6  # per check of an endpoint; the limit was set with 28 checks, which took 45 ms
MEMORY_MB: Final = 400.0  # in all
GROWTH: Final = 2.2  # CPU time of twice the endpoints
FAULTY_EVERY: Final = 10

BARE: Final = """
import pytest

ENDPOINTS = {endpoints!r}

@pytest.fixture(scope="session")
def endpoint(request):
    return request.param

def pytest_generate_tests(metafunc):
    metafunc.parametrize("endpoint", ENDPOINTS, scope="session", indirect=True)
"""
BARE_TEST: Final = """
def test_{number}(endpoint, record_property):
    record_property("sslaudit", 12 * endpoint)  # as long as a result
"""


def main(endpoints: int, rounds: int) -> int:
    """Measure in turns, print the minimum of each, and return the exit status."""
    with fleet(endpoints, faulty=endpoints) as served:
        audits = _Audits(served)
        runs = [audits.round(endpoints) for _ in range(rounds)]
        faulty = audits.run(endpoints, faulty=True)
    full, bare, half = (min(usages, key=lambda usage: usage.cpu_s) for usages in zip(*runs, strict=True))
    return _report(endpoints, audits, (full, bare, half, faulty))


def _report(endpoints: int, audits: _Audits, usages: tuple[Usage, Usage, Usage, Usage]) -> int:
    full, bare, half, faulty = usages
    growth = full.cpu_s / half.cpu_s
    memory_mb = max(full.memory_mb, faulty.memory_mb)
    print(f"{endpoints} endpoints, {audits.checks} checks of each")
    for name, usage, count in (
        ("bare items", bare, endpoints),
        ("audit", full, endpoints),
        ("half", half, endpoints // 2),
        ("10 % faulty", faulty, endpoints),
    ):
        print(f"{name:12}{usage.cpu_ms(count):7.1f} ms of CPU per endpoint  {usage.memory_mb:5.0f} MB")
    print(f"audit to bare items {full.cpu_s / bare.cpu_s:6.2f}")
    bounds = (
        ("CPU per check", full.cpu_ms(endpoints * audits.checks), ITEM_CPU_MS, "ms"),
        ("memory", memory_mb, MEMORY_MB, "MB"),
        ("CPU of twice the endpoints", growth, GROWTH, "times"),
        ("fetches of the two CRLs", audits.fetched, 2, "in a run"),
    )
    for name, value, bound, unit in bounds:
        print(f"{name:28}{value:7.2f} {unit}  (at most {bound:g}){'' if value <= bound else '  BROKEN'}")
    return int(any(value > bound for _, value, bound, _ in bounds))


class _Audits:
    """The processes that are measured.

    `checks` is the number of checks of an endpoint in the last audit; `fetched` the most CRL requests of a run.
    """

    def __init__(self, served: Fleet) -> None:
        self.fleet = served
        self.folder = served.folder
        self.publisher = served.publisher
        self.checks = self.fetched = 0

    def round(self, endpoints: int) -> tuple[Usage, Usage, Usage]:
        """Measure the audit, bare items and the audit of half the endpoints, one after the other."""
        return self.run(endpoints), self.bare(endpoints), self.run(endpoints // 2)

    def run(self, endpoints: int, *, faulty: bool = False) -> Usage:
        """Audit this many endpoints and require the expected verdicts."""
        urls = [self._url(number, faulty=faulty) for number in range(endpoints)]
        (self.folder / "endpoints").write_text("\n".join(urls))
        self.publisher.fetched = 0
        shutil.rmtree(self.folder / "state", ignore_errors=True)  # responses of an earlier run
        usage, status = self._pytest(
            "--pyargs",
            "audit",
            "-k",
            "not baseline_requirements_in_full",  # the linter is optional and slow
            "--audit-endpoints=endpoints",
            "--audit-trust=root.pem",
            "--audit-policy=webpki",
            "--audit-config=audit.toml",
            "--audit-state=state",
            "--audit-results=results.jsonl",
        )
        self.fetched = max(self.fetched, self.publisher.fetched)
        self._require(endpoints, Counter({"cert.expired": endpoints // FAULTY_EVERY}) if faulty else Counter(), status)
        return usage

    def bare(self, endpoints: int) -> Usage:
        """Run as many empty items with pytest."""
        tests = "".join(BARE_TEST.format(number=number) for number in range(self.checks))
        urls = [self._url(number) for number in range(endpoints)]
        (self.folder / "test_bare.py").write_text(BARE.format(endpoints=urls) + tests)
        usage, status = self._pytest("test_bare.py")
        if status:
            raise SystemExit(f"the bare items exited with {status}")
        return usage

    def _url(self, number: int, *, faulty: bool = False) -> str:
        return self.fleet.url(number, FAULTY if faulty and number % FAULTY_EVERY == 0 else SOUND)

    def _pytest(self, *arguments: str) -> tuple[Usage, int]:
        plain = ("-q", "-c", "pytest.ini", "-p", "no:cacheprovider", "--junitxml=junit.xml")
        command = [sys.executable, "-m", "pytest", *arguments, *plain]
        return measured(command, self.folder)

    def _require(self, endpoints: int, expected: Counter[str], status: int) -> None:
        rows = [json.loads(line) for line in (self.folder / "results.jsonl").read_text().splitlines()]
        results = [row for row in rows if row["kind"] == "result" and row["endpoint"] != "run/"]
        findings = Counter(row["check"] for row in results if row["verdict"] not in ("pass", "not-applicable"))
        self.checks = len(results) // endpoints
        if findings != expected or status != int(bool(expected)) or len(results) != self.checks * endpoints:
            raise SystemExit(f"exit status {status}, {findings}\n{output_of(self.folder)}")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*given, *(1000, 3)[len(given) :]))
