"""A message is sent by the program of the local mail system, whose exit status decides the outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from remediate.notify.channels.base import Deferred, Delivered, DeliveryOutcome, Envelope, Refused, Uncertain
from remediate.notify.channels.sendmail import Sendmail

NOTIFICATION = b"Subject: x\r\n\r\n.\r\nafter the dot\r\n"
Program = Callable[[str], Sendmail]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Return a program that does what a script says, in the folder of its own."""

    def write(script: str) -> Sendmail:
        path = tmp_path / "sendmail"
        path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        path.chmod(0o755)
        return Sendmail(str(path), timeout_s=60.0)

    return write


def send(channel: Sendmail, *recipients: str) -> DeliveryOutcome:
    """Send a message; return the one outcome."""
    outcomes = channel.send(Envelope("from@example.com", recipients or ("root",), NOTIFICATION), lambda: None)
    assert set(outcomes) == set(recipients or ("root",))
    return next(iter(outcomes.values()))


def test_program_gets_sender_recipients_and_unix_line_ends(program: Program, tmp_path: Path) -> None:
    channel = program('printf "%s\\n" "$@" > arguments; cat > message')
    assert isinstance(send(channel, "admin@example.com", "-oQ/tmp"), Delivered)
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments == ["-i", "-f", "from@example.com", "--", "admin@example.com", "-oQ/tmp"]
    assert (tmp_path / "message").read_bytes() == NOTIFICATION.replace(b"\r\n", b"\n")


def test_program_gets_a_clean_environment(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_TOKEN", "tok-1234567")
    send(program("env > environment"))
    assert "tok-1234567" not in (tmp_path / "environment").read_text()


@pytest.mark.parametrize(
    ("status", "kind"), [(0, Delivered), (67, Refused), (65, Refused), (75, Deferred), (69, Deferred), (1, Deferred)]
)
def test_exit_status_decides_the_outcome(program: Program, status: int, kind: type[DeliveryOutcome]) -> None:
    outcome = send(program(f"cat > /dev/null; printf 'who\\033[2J?\\n' >&2; exit {status}"))
    assert isinstance(outcome, kind)
    reason = outcome.response if isinstance(outcome, Delivered) else outcome.reason
    assert reason.endswith(f"ended with {status}: who\N{REPLACEMENT CHARACTER}[2J?")


def test_program_that_reads_nothing_or_floods_does_not_block(program: Program) -> None:
    assert isinstance(send(program("exit 75")), Deferred)
    assert isinstance(send(program("yes | head -c 1000000; exit 75")), Deferred)


def test_hanging_program_is_killed_with_its_children_and_is_uncertain(program: Program, tmp_path: Path) -> None:
    outcome = send(replace(program("(sleep 3; touch late) & sleep 60"), timeout_s=1.0))
    assert isinstance(outcome, Uncertain)
    assert outcome.reason.endswith("did not end within 1 s")
    time.sleep(2.5)
    assert not (tmp_path / "late").exists()


def test_killed_program_is_uncertain(program: Program) -> None:
    assert isinstance(send(program("kill -9 $$")), Uncertain)


def test_missing_program_is_deferred() -> None:
    assert send(Sendmail("/nonexistent/sendmail")) == Deferred(
        "cannot run /nonexistent/sendmail: No such file or directory"
    )
