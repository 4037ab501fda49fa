"""The demo: only planted faults are found, each repairable one is repaired once, and no service is interrupted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.comparison import REMEDIES, compare, read_results
from tests.lab.demo import repair, served
from tests.lab.faults import OUTSIDE
from tests.repository.test_plain_english import PHRASES
from tests.support.checkout import CHECKOUT


@dataclass(frozen=True, slots=True)
class Repaired:
    """A lab that was repaired once: what lab.json says, and the rows of the first run."""

    folder: Path
    lab: Any
    rows: tuple[dict[str, Any], ...]

    @property
    def orders(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in Path(self.lab["store_orders"]).read_text().splitlines()]

    @property
    def emails(self) -> list[str]:
        return sorted(file.name for file in Path(self.lab["mail"]).iterdir())


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repaired]:
    folder = tmp_path_factory.mktemp("demo")
    with served(folder / "lab") as lab:
        assert repair(lab, folder / "report.html", folder / "results.jsonl") == 1
        yield Repaired(folder, lab, read_results(folder / "results.jsonl"))


def test_only_planted_faults_are_found_and_all_repairable_are_repaired(repaired: Repaired) -> None:
    comparison = compare(repaired.lab["faults"], repaired.rows)
    assert (comparison.missed, comparison.unexpected, comparison.unrepaired) == ((), (), ())
    assert {row["remedy"] for row in repaired.rows if row["phase"] == "before" and row["verdict"] == "fail"} >= {
        *REMEDIES, "host", "configure",
    }  # fmt: skip


def test_no_certificate_is_ordered_twice_and_no_name_is_lost(repaired: Repaired) -> None:
    ordered = Counter(tuple(sorted(order["names"])) for order in repaired.orders)
    assert set(ordered.values()) == {1}
    assert ("mail-shared.lab.test", "mx-shared.lab.test", "shared.lab.test") in ordered
    assert ("other-wrong-name.lab.test", "wrong-name.lab.test") in ordered
    assert not {("leaf-only.lab.test",), ("renewed.lab.test",), ("owned.lab.test",)} & set(ordered)


def test_no_service_is_down_or_serves_a_worse_certificate(repaired: Repaired) -> None:
    assert Path(repaired.lab["downtime"]).read_text() == ""


def test_administrator_receives_one_notification(repaired: Repaired) -> None:
    assert len(repaired.emails) == 1


def test_second_run_repairs_nothing_and_sends_no_notification(repaired: Repaired) -> None:
    orders, emails = repaired.orders, repaired.emails
    assert repair(repaired.lab, repaired.folder / "again.html", repaired.folder / "again.jsonl") == 1
    rows = read_results(repaired.folder / "again.jsonl")
    from_outside = tuple(f"https://{planted.name}:" for planted in OUTSIDE)
    failing = [row for row in rows if row["verdict"] == "fail" and not row["endpoint"].startswith(from_outside)]
    assert not [row for row in failing if row["remedy"] in REMEDIES]
    assert (repaired.orders, repaired.emails) == (orders, emails)


def test_demo_finds_and_repairs_the_planted_faults_in_plain_english(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.lab.demo", "www", "expired", "leaf-only", "closed-port", "owned"]
    environment = {"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert (tmp_path / "report.html").stat().st_size > 0
    assert done.stdout.splitlines()[-1] == (
        "5 of 5 planted faults found, 0 other findings; 2 repaired, 0 repairs failed, 3 explained; "
        "2 endpoints without a fault"
    )
    messages = [row["message"] for row in read_results(tmp_path / "results.jsonl")]
    assert [text for text in (*done.stdout.splitlines(), *messages) if PHRASES.search(text)] == []


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_lab_option_audits_the_lab_with_its_own_arguments(tmp_path: Path, workers: tuple[str, ...]) -> None:
    results = tmp_path / "results.jsonl"
    audit = ["--pyargs", "audit", "--lab", "-k", "www.lab or expired-mail", "--audit-results", str(results)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *audit, *workers]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout[-4000:] + done.stderr[-2000:]
    failed = {row["check"] for row in read_results(results) if row["verdict"] not in ("pass", "not-applicable")}
    assert failed == {"cert.expired"}
