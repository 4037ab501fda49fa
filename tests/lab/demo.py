"""The main job on the embedded lab: serve it, audit it, and say which of the planted faults the audit has found.

It judges the audit by the results file alone; it knows no check and reads no report.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audit.endpoint import parse_endpoint

START_S: Final = 20.0  # far more than the lab takes, even on a busy machine
STOP_S: Final = 10.0
FAULTS_FOUND: Final = 1  # the exit status of an audit with findings


@dataclass(frozen=True, slots=True)
class Comparison:
    """Planted faults against findings, each an endpoint id and a check id."""

    found: tuple[tuple[str, str], ...]
    missed: tuple[tuple[str, str], ...]
    unexpected: tuple[tuple[str, str], ...]
    sound: int  # endpoints with nothing planted

    @property
    def is_exact(self) -> bool:
        """Whether the planted faults and no others were found."""
        return not self.missed and not self.unexpected


def compare(endpoints: Iterable[str], planted: Mapping[str, Sequence[str]], results: Iterable[Any]) -> Comparison:
    """Compare what was planted with what failed, or could not be told for a reason of its own, in the results."""
    seen = {(row["endpoint"], row["check"]) for row in results if _is_finding(row)}
    wanted = {(endpoint, check) for endpoint, checks in planted.items() for check in checks}
    return Comparison(
        found=tuple(sorted(wanted & seen)),
        missed=tuple(sorted(wanted - seen)),
        unexpected=tuple(sorted(seen - wanted)),
        sound=len(set(endpoints) - set(planted)),
    )


def read_results(file: Path) -> tuple[dict[str, Any], ...]:
    """Return the results of a run; raises ValueError where it did not come to its end."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    if not rows or rows[-1]["kind"] != "summary":
        raise ValueError(f"{file} has no summary line: the audit did not finish")
    return tuple(row for row in rows if row["kind"] == "result")


def tell(comparison: Comparison) -> Iterator[str]:
    """Give the lines that a person reads last."""
    width = max((len(check) for _, check in comparison.found + comparison.missed), default=0)
    by_check: dict[str, list[str]] = {}
    for endpoint, check in comparison.found:
        by_check.setdefault(check, []).append(endpoint)
    yield "planted faults that were found:"
    for check, endpoints in sorted(by_check.items()):
        yield from _column(check, endpoints, width)
    for title, pairs in (("MISSED", comparison.missed), ("UNEXPECTED", comparison.unexpected)):
        for endpoint, check in pairs:
            yield f"{title}  {check}  {endpoint}"
    planted = len(comparison.found) + len(comparison.missed)
    yield (
        f"{len(comparison.found)} of {planted} planted faults found, {len(comparison.unexpected)} findings that were "
        f"not planted; {comparison.sound} endpoints are sound"
    )


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Any]:
    """Serve the lab from a process of its own; gives what `lab.json` says."""
    child = subprocess.Popen([sys.executable, "-m", "tests.lab", str(folder)], stdout=subprocess.DEVNULL)
    try:
        yield _wait_for(folder / "lab.json", child)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(STOP_S)


def audit(lab: Any, report: Path, results: Path) -> int:  # noqa: ANN401 - JSON
    """Run the audit as a user would; returns its exit status."""
    pytest = [sys.executable, "-m", "pytest", "--pyargs", "audit", *lab["arguments"]]
    reports = [f"--html={report}", "--self-contained-html", "--audit-results", str(results)]
    return subprocess.run([*pytest, *reports, "-q", "--tb=no", "-rN"], check=False).returncode


def main() -> int:
    """Serve, audit and compare; 0 exactly when the planted faults and no others were found, and the audit said so."""
    report, results = Path("report.html"), Path("results.jsonl")
    results.unlink(missing_ok=True)  # of a former run
    with tempfile.TemporaryDirectory(prefix="lab-") as folder, served(Path(folder)) as lab:
        status = audit(lab, report, results)
    try:
        rows = read_results(results)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the audit exited {status} without results: {error}\n")
        return 1
    comparison = compare(map(_id, lab["endpoints"]), lab["faults"], rows)
    sys.stdout.write("\n".join(["", *tell(comparison), f"the report: {report.absolute()}", ""]))
    if status != FAULTS_FOUND:
        sys.stderr.write(f"the audit of a lab full of faults exited {status}, not {FAULTS_FOUND}\n")
    return 0 if comparison.is_exact and status == FAULTS_FOUND else 1


def _id(url: str) -> str:
    return str(parse_endpoint(url))


def _is_finding(row: Mapping[str, Any]) -> bool:
    """Say whether a result is one of its own: what follows from another finding of the endpoint is none."""
    is_untold = row["verdict"] == "inconclusive" and "because" not in row["detail"]
    return row["verdict"] in ("fail", "error") or is_untold


def _column(check: str, endpoints: Sequence[str], width: int) -> Iterator[str]:
    """Give a check and the endpoints it was found on, the check in the first line only."""
    for number, endpoint in enumerate(endpoints):
        yield f"  {'' if number else check:{width}}  {endpoint}"


def _wait_for(file: Path, child: subprocess.Popen[bytes]) -> Any:  # noqa: ANN401 - JSON
    end = time.monotonic() + START_S
    while not file.exists():
        if child.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the lab did not start: {file} is not there")
        time.sleep(0.02)
    return json.loads(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
