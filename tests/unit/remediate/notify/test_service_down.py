"""Tests of a service that is down after a rollback: it comes first in lines, report and email."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sslaudit.reports.totals import RunTotals
from remediate.cli import commands
from remediate.cli.output import down_lines
from remediate.deployment.progress import Progress, SwitchEvent
from remediate.execution.steps.activate import service_down
from remediate.model.case import Case, Repair, steps_of
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.notify.channels.email_message import compose
from remediate.notify.notification import HostSection, Notification, ReportItem, RunOrigin, subject

CASE = Case(
    "0123456789abcdef", "web1", "ssh://web1", Repair.REISSUE, ("www.example.org",), ("apache",), ("https://web1:443",),
    (), (), steps_of(Repair.REISSUE, ("apache",), ("https://web1:443",)),
)  # fmt: skip
NOTE = "the old files are in place again, but a service did not start with them: apache: cannot open /etc/x"
AT = datetime(2026, 7, 1, tzinfo=UTC)
DOWN = Cause.SERVICE_DOWN
MINOR = ReportItem("failed", ("nginx",), "a:443", "cert.expired", "it has expired", causes=(Cause.ISSUER_REFUSED,))
ITEM = replace(MINOR, services=("apache",), causes=(DOWN,), tried="a new key", happened=NOTE, to_do=DOWN.advice)
ORIGIN = RunOrigin(AT, "here", "1")
NOTIFICATION = Notification("failed", (HostSection("db1", (MINOR,)), HostSection("web1", (ITEM,))), ORIGIN)


def test_broken_switch_is_a_service_that_is_down() -> None:
    stuck = service_down(Progress((SwitchEvent(0, "v", "broken", "apache: cannot open"),)))
    assert stuck
    assert (stuck.cause, stuck.went_back, "apache: cannot open" in str(stuck)) == (DOWN, True, True)
    assert service_down(Progress((SwitchEvent(0, "v", "returned", "late"),))) is None


def test_line_about_a_service_that_is_down_has_host_cause_and_advice() -> None:
    results = [CaseResult(CASE, "failed", cause=Cause.PROOF_FAILED), CaseResult(CASE, "failed", cause=DOWN, note=NOTE)]
    (line,) = down_lines(results)
    assert line == f"SERVICE DOWN: web1: apache: {NOTE}. To do: {DOWN.advice}"
    assert RunTotals().services_down == ()


def test_service_that_is_down_is_in_subject_and_first_paragraph() -> None:
    assert subject(NOTIFICATION).startswith("SERVICE DOWN: web1: apache: repair failed: the old files are in place")
    message = compose(NOTIFICATION, "sslaudit@example.org", ["root@example.org"])
    text = message.get_body(("plain",))
    html = message.get_body(("html",))
    assert text
    assert html
    assert " ".join(text.get_content().split("\n\n")[0].split()).startswith(f"SERVICE DOWN: web1: apache: {NOTE}")
    assert html.get_content().index("SERVICE DOWN: web1") < html.get_content().index("<h2>")


def test_rollback_that_leaves_a_service_down_prints_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CaseResult(CASE, "failed", cause=DOWN, note=NOTE)
    run = SimpleNamespace(journal=SimpleNamespace(case=lambda _: CASE), roll_back=lambda *_: result)
    monkeypatch.setattr(commands, "repair_run", lambda _: nullcontext(run))
    monkeypatch.setattr(commands, "rediscover", lambda *_: ())
    unused: Any = None
    done = commands.roll_back(CASE.id, unused, unused)
    assert done.lines[0] == f"SERVICE DOWN: web1: apache: {NOTE}. To do: {DOWN.advice}"
    assert not done.is_well
