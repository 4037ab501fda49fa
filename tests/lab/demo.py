"""Runs `make demo`: serves, audits and repairs the embedded lab, and compares results and planted faults."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.lab.comparison import compare, read_results, summed_up, tell

START_S: Final = 60.0  # far more than the lab takes, even on a busy machine
STOP_S: Final = 60.0
FAULTS_FOUND: Final = 1  # the exit status of an audit with findings: what is explained is still there


@contextlib.contextmanager
def served(folder: Path, *labels: str) -> Iterator[Any]:
    """Serve the lab, or only these endpoints, from a process of its own; gives what `lab.json` says."""
    child = subprocess.Popen([sys.executable, "-m", "tests.lab", str(folder), *labels], stdout=subprocess.DEVNULL)
    try:
        yield _wait_for(folder / "lab.json", child)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(STOP_S)


def repair(lab: Any, report: Path, results: Path) -> int:  # noqa: ANN401 - JSON
    """Run the audit and the repair as a user would; returns the exit status."""
    pytest = [sys.executable, "-m", "pytest", "--pyargs", "audit", *lab["arguments"], "--remediate"]
    reports = [f"--html={report}", "--audit-results", str(results)]
    return subprocess.run([*pytest, *reports, "-q", "--tb=no", "-rN"], check=False).returncode


def noted(lab: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield what the servers of the lab recorded: orders, emails, and interruptions of services."""
    orders = Path(lab["store_orders"]).read_text(encoding="utf-8").splitlines()
    emails = sorted(email.name for email in Path(lab["mail"]).iterdir() if email.suffix)
    downtime = Path(lab["downtime"]).read_text(encoding="utf-8").splitlines()
    yield f"orders at the Store: {len(orders)}"
    yield f"emails: {', '.join(emails) or 'none'}"
    yield f"interruptions (a service did not respond, or served a worse certificate than before): {len(downtime)}"
    yield from (f"  {line}" for line in downtime)


def main(*labels: str) -> int:
    """Serve the lab, or only these endpoints, audit, repair and compare.

    Returns 0 if exactly the planted faults were found and every one that can be repaired was repaired.
    """
    report, results = Path("report.html"), Path("results.jsonl")
    results.unlink(missing_ok=True)  # of a former run
    with tempfile.TemporaryDirectory(prefix="lab-") as folder, served(Path(folder), *labels) as lab:
        status = repair(lab, report, results)
        beside = tuple(noted(lab))
    try:
        rows = read_results(results)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the audit exited with {status} and without results: {error}\n")
        return 1
    comparison = compare(lab["faults"], rows)
    where = f"the report: {report.absolute()}"
    sys.stdout.write("\n".join(["", *tell(comparison), *beside, where, summed_up(comparison), ""]))
    if status != FAULTS_FOUND:
        sys.stderr.write(
            f"the lab has faults that are not repaired, but the audit exited with {status}, not {FAULTS_FOUND}\n"
        )
    return 0 if comparison.is_exact and comparison.is_whole and status == FAULTS_FOUND else 1


def _wait_for(file: Path, child: subprocess.Popen[bytes]) -> Any:  # noqa: ANN401 - JSON
    end = time.monotonic() + START_S
    while not file.exists():
        if child.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the lab did not start: {file} is not there")
        time.sleep(0.02)
    return json.loads(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
