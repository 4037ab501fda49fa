"""Measures CPU time and memory of a whole audit per endpoint, beside those of pytest for as many empty items.

    python -m bench.whole_audit [ENDPOINTS [ROUNDS]]

Every endpoint has its own certificate below one intermediate with one CRL, which must be fetched once in a run. The
certificates have no fault, except in the last run: there, one in ten has expired. Each run is a process. Its CPU time
is user and system time, and the minimum of several rounds counts, because a busy machine can only add to it. The time
of the servers is not included, and the optional linter of `cert.lint-br` does not run. Exits with status 1 if a limit
is exceeded.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.evidence import sources
from bench.servers import Publisher, serving
from tests.lab.revocation import Registry
from tests.support.x509.ca import Identity, Leaf, issue, new_intermediate, new_root

ITEM_CPU_MS: Final = 1.6  # per check of an endpoint; the limit was set with 28 checks, which took 45 ms
MEMORY_MB: Final = 400.0  # in all
GROWTH: Final = 2.2  # CPU time of twice the endpoints
FAULTY_EVERY: Final = 10
SOUND, FAULTY = "www", "old"

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


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of one process: CPU seconds, and its peak memory in MB."""

    cpu_s: float
    memory_mb: float

    def cpu_ms(self, count: int) -> float:
        """Return the CPU milliseconds per endpoint or item."""
        return 1000 * self.cpu_s / count


def main(endpoints: int, rounds: int) -> int:
    """Measure in turns, print the minimum of each, and return the exit status."""
    now = datetime.now(UTC)
    root = new_root("Bench Root", now=now)
    intermediate = new_intermediate("Bench Intermediate", root, now=now)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "audit.toml").write_text("[fetch]\nallow_private = true\n")
        (folder / "root.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
        publisher = Publisher()
        ca = _Ca(intermediate, publisher.url, now)
        with (
            serving(lambda: _context(ca, folder)) as listening,
            publisher.publishing(Registry(intermediate, now).crl()),
        ):
            places: list[tuple[str, int]] = [listener.getsockname() for listener in listening]
            audits = _Audits(folder, places, publisher)
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
        ("fetches of the CRL", audits.fetched, 1, "in a run"),
    )
    for name, value, bound, unit in bounds:
        print(f"{name:28}{value:7.2f} {unit}  (at most {bound:g}){'' if value <= bound else '  BROKEN'}")
    return int(any(value > bound for _, value, bound, _ in bounds))


class _Audits:
    """The processes that are measured.

    `checks` is the number of checks of an endpoint in the last audit; `fetched` the most CRL requests of a run.
    """

    def __init__(self, folder: Path, places: Sequence[tuple[str, int]], publisher: Publisher) -> None:
        self.folder = folder
        self.places = places
        self.publisher = publisher
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
        address, port = self.places[number % len(self.places)]
        kind = FAULTY if faulty and number % FAULTY_EVERY == 0 else SOUND
        return f"https://{kind}{number}.bench.example.com:{port}?address={address}"

    def _pytest(self, *arguments: str) -> tuple[Usage, int]:
        plain = ("-q", "-c", "pytest.ini", "-p", "no:cacheprovider", "--junitxml=junit.xml")
        with (self.folder / "output").open("w+") as output:
            command = [sys.executable, "-m", "pytest", *arguments, *plain]
            process = subprocess.Popen(command, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT)
            _, status, used = os.wait4(process.pid, 0)  # the usage of this process, not of earlier ones
        process.returncode = os.waitstatus_to_exitcode(status)
        return Usage(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024), process.returncode

    def _require(self, endpoints: int, expected: Counter[str], status: int) -> None:
        rows = [json.loads(line) for line in (self.folder / "results.jsonl").read_text().splitlines()]
        results = [row for row in rows if row["kind"] == "result" and row["endpoint"] != "run/"]
        findings = Counter(row["check"] for row in results if row["verdict"] not in ("pass", "not-applicable"))
        self.checks = len(results) // endpoints
        if findings != expected or status != int(bool(expected)) or len(results) != self.checks * endpoints:
            raise SystemExit(f"exit status {status}, {findings}\n{(self.folder / 'output').read_text()[-2000:]}")


@dataclass(frozen=True, slots=True)
class _Ca:
    """The issuer, the URL of its CRL, and the time of issuance."""

    intermediate: Identity
    crl: str
    now: datetime


def _context(ca: _Ca, folder: Path) -> ssl.SSLContext:
    """Return a context that serves a chain for each name, made at its first request."""

    @cache
    def of_name(name: str) -> ssl.SSLContext:
        start = ca.now - timedelta(days=200 if name.startswith(FAULTY) else 20)
        leaf = issue(Leaf(name, (name,), start, extra=sources(ca.crl)), ca.intermediate)
        return _loaded(leaf, ca.intermediate, folder)

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name:  # another program that probes the sockets of this machine sends no name
            connection.context = of_name(name)

    context = _new_context()
    context.sni_callback = choose
    return context


def _loaded(leaf: Identity, intermediate: Identity, folder: Path) -> ssl.SSLContext:
    secret = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(issued.certificate.public_bytes(Encoding.PEM) for issued in (leaf, intermediate))
    context = _new_context()
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".pem") as file:
        file.write(secret + chain)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*given, *(1000, 3)[len(given) :]))
