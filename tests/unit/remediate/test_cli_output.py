"""Tests of the lines that a run prints: the result of each case, and the progress of its steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from remediate.cli.commands import _cli_result, _FinishedRun
from remediate.cli.output import StepUpdate, brief_plan_lines, case_result_lines, case_result_row, step_update_line
from remediate.model.case import Case, DroppedName, Repair, Step, steps_of
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult, EndedAs
from remediate.model.plan import Blocker, Plan, WaitingCase

ENDPOINT = "web1/https://www.example.com:443"
CASE = Case(
    "1a2b3c", "web1", "ssh://web1", Repair.REISSUE, ("example.com", "www.example.com"), ("nginx",), (ENDPOINT,), (), (),
    steps_of(Repair.REISSUE, ("nginx",), (ENDPOINT,)),
)  # fmt: skip
OTHER = replace(CASE, id="4d5e6f", host="mail-gateway", repair=Repair.HOST, names=("mail.example.com",))
NEXT = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)


def test_result_lines_are_aligned() -> None:
    assert list(
        case_result_lines([CaseResult(CASE, "proven"), CaseResult(OTHER, "waiting", cause=Cause.RUN_CANARY, note="no")])
    ) == [
        "repaired  reissue  web1          1a2b3c  example.com, www.example.com",
        "waiting   host     mail-gateway  4d5e6f  mail.example.com: run.canary: no",
    ]


def test_failure_has_step_cause_next_try_and_indented_hops() -> None:
    note = "www.example.com at 192.0.2.1: missing: 404\n  http://www.example.com/x at 192.0.2.1: 404\nthe \x1b[2Jsecond"
    ending = CaseResult(CASE, "failed", "self-test", Cause.DCV_MISSING, note, next_at=NEXT)
    assert list(case_result_lines([ending])) == [
        (
            "failed  reissue  web1  1a2b3c  example.com, www.example.com: self-test: dcv.missing: "
            "www.example.com at 192.0.2.1: missing: 404; next try 2026-11-24 03:30 UTC"
        ),
        "    http://www.example.com/x at 192.0.2.1: 404",
        "    the \N{REPLACEMENT CHARACTER}[2Jsecond",
    ]


def test_step_of_a_service_is_named_by_its_kind() -> None:
    (line,) = case_result_lines([CaseResult(CASE, "failed", "reload nginx", Cause.PROOF_FAILED, "another leaf")])
    assert line.endswith("www.example.com: reload: proof.failed: another leaf")


def test_repaired_case_has_no_next_try() -> None:
    assert list(case_result_lines([CaseResult(OTHER, "proven", next_at=NEXT)])) == [
        "repaired  host  mail-gateway  4d5e6f  mail.example.com"
    ]


def test_no_results_give_no_lines() -> None:
    assert list(case_result_lines([])) == []


@pytest.mark.parametrize(
    ("note", "text"), [("", "key done"), ("CSR 12ab…\nand more", "key done (CSR 12ab…)"), ("\n", "key done")]
)
def test_step_update_is_one_line(note: str, text: str) -> None:
    line = step_update_line(StepUpdate(CASE, Step("key"), "done", note))
    assert line == f"web1 example.com, www.example.com: {text}"


@pytest.mark.parametrize(("left_out", "is_well"), [((), True), (("web1/https://www.example.com:8444",), False)])
def test_command_that_repairs_in_part_does_not_succeed(left_out: tuple[str, ...], *, is_well: bool) -> None:
    run: Any = SimpleNamespace(journal=None, notify=lambda *_: ())
    results = (CaseResult(replace(CASE, left_out=left_out), "proven"),)
    assert _cli_result(_FinishedRun(run, Plan((), (), ()), results)).is_well == is_well


LOSING = replace(CASE, dropped_names=(DroppedName("old.example.com", "the configuration gives the name up"),))


@pytest.mark.parametrize(
    ("ended_as", "text"),
    [
        ("proven", "is no longer in the certificate"),
        ("pending", "will not be in the new certificate"),
        ("failed", "will not be in the new certificate"),
    ],
)
def test_names_that_a_certificate_loses_are_in_each_result(ended_as: EndedAs, text: str) -> None:
    line = f"old.example.com {text}: the configuration gives the name up"
    assert list(case_result_lines([CaseResult(LOSING, ended_as)]))[1:] == [f"    {line}"]
    assert line in case_result_row(CaseResult(LOSING, ended_as))[4]


def test_rollback_names_no_name_that_a_certificate_loses() -> None:
    assert len(list(case_result_lines([CaseResult(LOSING, "undone")]))) == 1


def test_brief_plan_names_each_name_that_is_given_up_up_to_a_limit() -> None:
    line = "old.example.com will not be in the new certificate: the configuration gives the name up"
    assert list(brief_plan_lines(Plan((LOSING,), (), ())))[1:] == [f"reissue on web1, case 1a2b3c: {line}"]
    *_, last = brief_plan_lines(Plan((LOSING,) * 21, (), ()))
    assert last == "names that are left out beside these, listed by -v: 1"


def test_brief_plan_names_each_case_that_waits_up_to_a_limit() -> None:
    blockers = (Blocker(Cause.PLAN_WILDCARD, "*.example.com needs DNS validation"), Blocker(Cause.ISSUER_NONE, "none"))
    waiting = WaitingCase(CASE, blockers)
    assert list(brief_plan_lines(Plan((), (), (waiting,)))) == [
        "0 to repair, 1 waiting, 0 explained",
        "waiting: reissue on web1, case 1a2b3c: *.example.com needs DNS validation; none",
    ]
    *lines, last = brief_plan_lines(Plan((), (), (waiting,) * 23))
    assert (len(lines), last) == (21, "3 more wait: `sslaudit repair status` lists them")
