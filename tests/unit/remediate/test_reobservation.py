"""Tests of a run with `--remediate`: endpoints are audited again after a repair, and reported with their steps."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from audit.endpoint import parse_id
from audit.observation import HostView, InstalledFile
from audit.probe import Target
from pytest_sslaudit import fixtures
from pytest_sslaudit.remediation.coverage import Coverage
from pytest_sslaudit.remediation.first_pass import FirstPass
from pytest_sslaudit.remediation.progress import RepairProgress
from pytest_sslaudit.remediation.reobserve import affected_ids
from pytest_sslaudit.remediation.result_rows import remediation_rows
from remediate.model.audit_results import audit_results_of
from remediate.model.case import Case, Repair, Step, StepDetail, steps_of
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan
from remediate.state.journal import Event
from tests.support.remediate.result_rows import NOW, SUMMARY, digest, seen

WWW, SHOP, MAIL = (
    "web1/https://www.example.com:443",
    "web1/https://shop.example.com:443",
    "web1/smtp://www.example.com:25",
)
CASE = Case(
    "1a2b3c", "web1", "ssh://web1", Repair.REISSUE, ("www.example.com",), ("nginx",), (WWW,), (), (),
    steps_of(Repair.REISSUE, ("nginx",), (WWW,)),
)  # fmt: skip


def target(endpoint: str, service: str, *paths: str) -> Target:
    """Return an endpoint of a service on web1 that is configured to load these files."""
    files = tuple(InstalledFile(path, "certificate") for path in paths)
    return Target(parse_id(endpoint), server=HostView("web1", "ssh://web1", service=service, files=files))


TARGETS = (target(WWW, "nginx", "/etc/www.crt"), target(SHOP, "nginx", "/etc/shop.crt"), target(MAIL, "postfix"))


def test_reloaded_service_is_observed_again_on_all_its_endpoints() -> None:
    assert affected_ids([CaseResult(CASE, "proven")], TARGETS) == {WWW, SHOP, "web1/"}


def test_unknown_service_that_was_left_out_is_observed_again() -> None:
    """It may pass connections to a service that was repaired; the case that has ended no longer names it then."""
    planned = replace(CASE, left_out=(MAIL,))
    assert affected_ids([CaseResult(CASE, "proven")], TARGETS, [planned]) == {WWW, SHOP, MAIL, "web1/"}


def test_waiting_case_affects_no_endpoint() -> None:
    assert affected_ids([CaseResult(CASE, "waiting", cause=Cause.RUN_CANARY)], TARGETS) == frozenset()


def test_endpoint_that_is_no_longer_a_target_is_not_observed_again() -> None:
    assert affected_ids([CaseResult(CASE, "failed")], TARGETS[2:]) == {"web1/"}


def test_row_of_an_endpoint_has_its_own_steps_and_both_leaves() -> None:
    states: list[tuple[str, Any]] = [("order", "done"), ("reload nginx", "done"), ("reload postfix", "failed")]
    case = Case(
        "1a2b3c", "web1", "ssh://web1", Repair.REISSUE, ("www.example.com",), ("nginx", "postfix"), (WWW, MAIL), (), (),
        steps_of(Repair.REISSUE, ("nginx", "postfix"), (WWW, MAIL)),
    )  # fmt: skip
    events = [Event(step, state, NOW, StepDetail(f"{step} {state}")) for step, state in states]
    before = audit_results_of([seen(WWW), seen(MAIL, service="postfix", leaf="mail"), SUMMARY])
    result = CaseResult(case, "failed", cause=Cause.PROOF_FAILED, note="no", next_at=NOW + timedelta(hours=1))
    www, mail = remediation_rows(result, events, before, {WWW: digest("new")})
    assert [step["step"] for step in www["steps"]] == ["order", "reload nginx"]
    assert [step["note"] for step in mail["steps"]] == ["order done", "reload postfix failed"]
    assert (www["before"], www["after"]) == (digest("old"), digest("new"))
    assert (mail["before"], mail["after"]) == (digest("mail"), digest("mail"))
    assert (www["outcome"], www["cause"], www["next_try"]) == ("failed", "proof.failed", "2026-11-23T04:00:00Z")


def test_row_of_an_endpoint_that_was_not_observed_has_no_leaf() -> None:
    (row,) = remediation_rows(CaseResult(CASE, "proven"), (), audit_results_of([SUMMARY]), {})
    assert (row["before"], row["after"], row["cause"], row["next_try"], row["steps"]) == (None, None, None, None, [])


def items(pytester: pytest.Pytester, *endpoints: str, body: str = "pass") -> list[pytest.Item]:
    """Return a test for each endpoint, and one without an endpoint."""
    pytester.makeconftest(
        "import pytest\nfrom audit.endpoint import parse_id\n"
        f"def pytest_generate_tests(metafunc):\n    if {fixtures.OURS!r} in metafunc.fixturenames:\n"
        f"        metafunc.parametrize({fixtures.OURS!r}, [parse_id(text) for text in {list(endpoints)!r}])\n"
    )
    source = f"def test_it({fixtures.OURS}, record_property):\n    {body}\n\ndef test_other():\n    pass\n"
    return pytester.getitems(source)


def test_endpoint_of_a_test_that_is_left_out_is_not_repaired(pytester: pytest.Pytester) -> None:
    kept, left_out, _ = items(pytester, WWW, MAIL)
    coverage = Coverage()
    coverage.leave_out([left_out])
    assert coverage.unfinished(kept.config, [kept], ()) == {WWW, MAIL}  # the files of the checks did not run at all


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


class Heard:
    """A plugin that keeps what the hooks of a repair are called with."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lines: list[tuple[str, bool]] = []
        self.states: list[str] = []

    def pytest_sslaudit_message(self, line: str, is_detail: bool) -> None:  # noqa: FBT001 - hooks are called by name
        """Keep a line."""
        self.lines.append((line, is_detail))

    def pytest_sslaudit_step(self, step: Step, state: str) -> None:
        """Keep a state."""
        self.states.append(f"{step.name} {state}")


@pytest.fixture(name="shown")
def _shown(pytester: pytest.Pytester) -> tuple[pytest.Config, Terminal, Heard]:
    """Return a configured session that writes to a terminal, and what its hooks are called with."""
    config = pytester.parseconfigure()
    terminal, heard = Terminal(), Heard()
    config.pluginmanager.unregister(name="terminalreporter")
    config.pluginmanager.register(pytest.TerminalReporter(config, terminal), "terminalreporter")
    config.pluginmanager.register(heard)
    return config, terminal, heard


def test_message_is_written_and_passed_to_the_hook(shown: tuple[pytest.Config, Terminal, Heard]) -> None:
    config, terminal, heard = shown
    RepairProgress(config).say(["nothing was repaired"])
    assert "nothing was repaired\n" in terminal.getvalue()
    assert heard.lines == [("nothing was repaired", False)]


def test_detail_is_written_with_verbose_only(shown: tuple[pytest.Config, Terminal, Heard]) -> None:
    config, terminal, heard = shown
    RepairProgress(config).detail("first\nsecond")
    assert terminal.getvalue() == ""
    config.option.verbose = 1
    RepairProgress(config).detail("third")
    assert terminal.getvalue() == "third\n"
    assert heard.lines == [("first", True), ("second", True), ("third", True)]


def test_step_is_drawn_with_the_number_of_its_case(shown: tuple[pytest.Config, Terminal, Heard]) -> None:
    config, terminal, heard = shown
    progress = RepairProgress(config)
    with progress.shown(Plan((CASE,), (), ())):
        progress.watch(CASE, CASE.steps[0], "done", "")
        assert terminal.getvalue().endswith("\r\x1b[Krepairing 1/1  web1 www.example.com: preconditions done")
    assert terminal.getvalue().endswith("\r\x1b[K")
    progress.watch(CASE, CASE.steps[1], "failed", "")
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert heard.states == ["preconditions done", "self-test failed"]


class FirstPassHooks:
    """The hook of a run that lets the first pass run its tests."""

    def __init__(self, first_pass: FirstPass) -> None:
        """Take the first pass."""
        self._first_pass = first_pass

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a test of the first pass."""
        return self._first_pass.run(item, nextitem) or None


def test_first_run_is_not_reported_and_its_reports_are_taken_once(pytester: pytest.Pytester) -> None:
    www, mail, other = items(pytester, WWW, MAIL, body="record_property('a', 1)")
    first_pass = FirstPass()
    www.config.pluginmanager.register(FirstPassHooks(first_pass))
    reports = [report for report in first_pass.judge([www, mail, other]) if report.when == "call"]
    assert [report.nodeid for report in reports] == [www.nodeid, mail.nodeid]
    assert www.user_properties == []
    assert [report.when for report in first_pass.take(www)] == ["setup", "call", "teardown"]
    first_pass.judge_again([www, mail, other], frozenset({MAIL}))
    assert (first_pass.take(www), first_pass.take(mail), first_pass.take(other)) == ((), (), ())
