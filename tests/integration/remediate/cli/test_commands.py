"""`python -m remediate` plans, applies and rolls back repairs of services of the lab."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from remediate.cli.main import main
from tests.lab.demo import served
from tests.support.evidence import rows

NAME: Final = "expired-mail.lab.test"


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab, and a folder to work in."""

    told: Any
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def audit(self) -> set[str]:
        """Return the checks that the service fails."""
        results = self.folder / "results.jsonl"
        command = ["-m", "pytest", "--pyargs", "audit", *self.told["arguments"], "--audit-results", str(results), "-q"]
        subprocess.run([sys.executable, *command], cwd=self.folder, check=False, stdout=subprocess.DEVNULL, timeout=120)
        return {row["check"] for row in rows(results) if NAME in row["endpoint"] and row["verdict"] == "fail"}

    def remediate(self, command: str, *arguments: str, given: str = "") -> tuple[int, list[str]]:
        """Run a command and return its exit status and what it said."""
        beside = () if command in ("plan", "status") else ("--trust", self.told["trust"])
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        status = main([command, *arguments, "--config", self.configuration, *beside])
        output, errors = self.capsys.readouterr()
        return status, [*output.splitlines(), *errors.splitlines()]

    @property
    def configuration(self) -> str:
        """The lab's own."""
        arguments = self.told["arguments"]
        return str(arguments[arguments.index("--audit-config") + 1])

    @property
    def orders(self) -> int:
        """How many orders there ever were."""
        return len(Path(self.told["store_orders"]).read_text().splitlines())


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Lab]:
    """Serve one service with an expired certificate."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with served(tmp_path / "lab", "expired-mail") as told:
        yield Lab(told, tmp_path, monkeypatch, capsys)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_plan_is_applied_once_and_can_be_rolled_back(lab: Lab) -> None:
    assert lab.audit() == {"cert.expired"}
    status, plan = lab.remediate("plan", str(lab.folder / "results.jsonl"), "--json")
    assert (status, lab.orders) == (0, 0)
    status, said = lab.remediate("apply", given="\n".join(plan))
    assert (status, lab.orders) == (0, 1), said
    assert said[0].startswith("repaired  reissue  local")
    assert lab.audit() == set()

    status, said = lab.remediate("apply", given="\n".join(plan))
    assert (status, lab.orders) == (0, 1), said
    assert said[0].endswith("another certificate is served now")
    assert len(list(Path(lab.told["mail"]).glob("*.eml"))) == 1  # a dropped case is not listed as waiting
    assert lab.remediate("status") == (0, ["no case is open"])
    assert lab.remediate("resume")[1][0] == "no case is open"

    case = said[0].rpartition(": ")[0].rpartition("case ")[2]
    status, said = lab.remediate("rollback", case)
    assert (status, said[0].split()[:2]) == (0, ["rolled", "back"]), said
    assert lab.audit() == {"cert.expired"}

    status, said = lab.remediate("apply", given="\n".join(plan))
    assert (status, lab.orders, "rollback.held" in said[0]) == (1, 1, True), said
    assert "rolled back: waits for a new finding" in lab.remediate("status")[1][1]
    assert lab.remediate("resume", case) == (4, ["python -m remediate resume: resume takes a case only with --now"])
    status, said = lab.remediate("resume", "--now", case)
    assert (status, lab.orders, said[0].split()[0]) == (0, 2, "repaired"), said
    status, said = lab.remediate("resume", "--now", case)
    assert (status, "does not wait: it ended as repaired" in said[0]) == (4, True), said


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("rollback", ("nothing",), "has no case 'nothing'"),
        ("apply", ("/none.json",), "No such file"),
        ("resume", ("--issuer", "stroe"), "no [issuer.stroe]; there are store; did you mean 'store'?"),
        ("resume", ("--trust", "/none.pem"), "/none.pem: No such file"),
    ],
)
def test_unusable_input_is_reported_in_one_sentence(
    lab: Lab, command: str, arguments: tuple[str, ...], message: str
) -> None:
    status, said = lab.remediate(command, *arguments)
    assert status == 4
    assert message in said[-1]


def test_invalid_plan_is_refused(lab: Lab) -> None:
    status, said = lab.remediate("apply", given="{}")
    assert status == 4
    assert "- is not a plan as `plan RESULTS --json` prints it" in said[-1]
