"""Repairs of the lab that are killed, wherever they are: the next run comes to the same end, with one order each."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.lab.comparison import REMEDIES, read_results
from tests.lab.demo import FAULTS_FOUND, served

LABELS = ("shared", "mail-shared", "mx-shared", "rsa-1024", "self-signed", "leaf-only", "renewed", "kept", "owned")
KILLED = 6  # times


def lines(file: str) -> list[Any]:
    return [json.loads(line) for line in Path(file).read_text().splitlines()]


def start(lab: Any, results: Path) -> subprocess.Popen[bytes]:  # noqa: ANN401 - JSON
    pytest = [sys.executable, "-m", "pytest", "--pyargs", "audit", *lab["arguments"], "--remediate", "-q", "--tb=no"]
    command = [*pytest, "-p", "no:cacheprovider", "--audit-results", str(results)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def at_work(host: Path, run: subprocess.Popen[bytes]) -> bool:
    """Wait until something changes on the host; return whether that came before the run's end."""

    def state() -> set[tuple[str, int]]:
        return {(str(one), one.lstat().st_mtime_ns) for one in host.rglob("*") if one.is_symlink() or one.exists()}

    before = state()
    while run.poll() is None:
        time.sleep(0.02)
        try:
            if state() != before:
                return True
        except FileNotFoundError:  # gone while we looked
            return True
    return False


def killed(lab: Any, folder: Path) -> Iterator[int]:  # noqa: ANN401 - JSON
    """Yield how each run was ended by us, some moments after it has begun to change something."""
    chance = random.Random(7)  # noqa: S311 - the same moments every time, as far as a machine keeps them
    host = Path(lab["store_orders"]).parents[1] / "host"
    for number in range(KILLED):
        run = start(lab, folder / f"{number}.jsonl")
        if at_work(host, run):
            time.sleep(chance.uniform(0, 3))
        run.send_signal(signal.SIGKILL)
        yield run.wait()


def test_killed_at_any_moment_every_certificate_is_ordered_once_and_nobody_notices(tmp_path: Path) -> None:
    with served(tmp_path / "lab", *LABELS) as lab:
        assert -signal.SIGKILL in list(killed(lab, tmp_path))
        assert start(lab, tmp_path / "last.jsonl").wait() == FAULTS_FOUND
        last = {(row["endpoint"], row["check"]): row for row in read_results(tmp_path / "last.jsonl")}
        ordered = Counter(tuple(order["names"]) for order in lines(lab["store_orders"]))
        assert not [row for row in last.values() if row["verdict"] == "fail" and row["remedy"] in REMEDIES]
        assert ordered == {
            ("rsa-1024.lab.test",): 1,
            ("self-signed.lab.test",): 1,
            ("mail-shared.lab.test", "mx-shared.lab.test", "shared.lab.test"): 1,
        }
        assert lines(lab["downtime"]) == []
