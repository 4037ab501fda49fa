"""`checkallsslcerts` where a service does not come up again after the way back: that is said before everything else."""

from __future__ import annotations

import email
import json
import os
import re
import socket
import subprocess
import sys
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Final

import pytest

from remediate.model.causes import Cause
from tests.lab.demo import served
from tests.support.evidence import rows

LABEL: Final = "self-signed"
WHY: Final = "cannot open <tls.key>"
Night = tuple[subprocess.CompletedProcess[str], Path, EmailMessage]
BEGINS: Final = f"SERVICE DOWN: local: {LABEL}: the old files are in place again, but a service did not start with them"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Run the command on a host whose service cannot be reloaded; return that run, its reports and the one email."""
    folder = tmp_path_factory.mktemp("lab")
    reports = folder / "reports"
    with served(folder, LABEL) as lab:
        given = dict(zip(lab["arguments"][::2], lab["arguments"][1::2], strict=True))
        file = Path(given["--audit-config"])
        trusted = f"trust = {json.dumps([given['--audit-trust']])}\npolicy = {json.dumps([given['--audit-policy']])}\n"
        broken = json.dumps(f"echo '{WHY}' >&2; exit 1")
        text, count = re.subn(r"(?m)^reload = .*$", lambda _: f"reload = {broken}", file.read_text())
        assert count == 1
        file.write_text(trusted + text)
        command = [sys.executable, "-W", "error", "-m", "pytest_sslaudit.cli.checkallsslcerts", "--config", str(file)]
        environment = {**os.environ, "LOGS_DIRECTORY": str(reports)}
        done = subprocess.run(
            command, env=environment, cwd="/", capture_output=True, text=True, check=False, timeout=180
        )
        emails = list(Path(lab["mail"]).glob("*.eml"))
        assert len(emails) == 1, done.stdout + done.stderr
        return done, reports, email.message_from_bytes(emails[0].read_bytes(), policy=default)


def test_first_line_of_output_names_service_cause_and_advice(night: Night) -> None:
    done, reports, _ = night
    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    first = done.stdout.splitlines()[0]
    assert first.startswith(BEGINS), done.stdout
    assert WHY in first
    assert first.endswith(f"To do: {Cause.SERVICE_DOWN.advice}")
    (row,) = rows(reports / "results.jsonl", "remediation")
    assert row["outcome"] == "failed"


def test_report_begins_with_the_service_that_is_down(night: Night) -> None:
    _, reports, _ = night
    _, _, ours = (reports / "report.html").read_text().partition('<div class="sslaudit">')
    assert ours.startswith(f'<p class="sslaudit-warning">{BEGINS}')
    assert WHY.replace("<", "&lt;").replace(">", "&gt;") in ours.partition("</p>")[0]


def test_email_begins_with_the_service_that_is_down(night: Night) -> None:
    *_, message = night
    assert str(message["Subject"]).startswith(f"SERVICE DOWN: {socket.getfqdn()}: {LABEL}: ")
    body = message.get_body(("plain",))
    assert body is not None
    assert " ".join(body.get_content().split()).startswith(BEGINS.replace("local", socket.getfqdn(), 1))
