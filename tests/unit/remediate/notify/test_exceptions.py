"""Tests of exceptions: one about a case or a notification is reported and does not stop the others."""

from __future__ import annotations

from typing import Any

import pytest

from remediate.execution import placeholder_cases, scheduler
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.model.plan import Blocker, WaitingCase
from remediate.notify import notifier
from tests.support.notify.nightly_runs import Contacts, NightlyRuns
from tests.support.notify.run_findings import OTHER, blocked, case_of, expired, logged_in
from tests.support.remediate.result_rows import found, seen

BOTH = (logged_in("web2"), seen(OTHER), found(OTHER, "tls.old-protocol", message="TLS 1.0 is offered"))


def test_exception_about_one_notification_does_not_stop_the_others(
    runs: NightlyRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.change_mail(to=())
    runs.sessions = {"web1": Contacts("one@example.com\n"), "web2": Contacts("two@example.com\n")}
    real = notifier._notification

    def notification(news: Any, audience: Any, recipients: tuple[str, ...]) -> Any:  # noqa: ANN401 - as in the module
        if recipients == ("one@example.com",):
            raise ZeroDivisionError("a bug of ours")
        return real(news, audience, recipients)

    monkeypatch.setattr(notifier, "_notification", notification)
    with pytest.raises(ZeroDivisionError) as raised:
        runs.notify(*expired(), *BOTH, case_results=[blocked(runs)])
    assert [str(message["To"]) for message in runs.box.emails] == ["two@example.com"]
    (note,) = raised.value.__notes__
    assert "no notification to one@example.com: ZeroDivisionError: a bug of ours" in note


def test_exception_about_one_placeholder_does_not_stop_the_others(
    runs: NightlyRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(runs, *expired())
    first, second = (WaitingCase(case, (Blocker(Cause.ISSUER_NONE, text),)) for text in ("first", "second"))

    def install(waiting: WaitingCase, _means: object) -> CaseResult:
        if waiting is first:
            raise ZeroDivisionError("a bug of ours")
        return CaseResult(waiting.case, "failed", cause=Cause.ISSUER_NONE)

    monkeypatch.setattr(placeholder_cases, "_install_for", install)
    run: Any = None
    results = tuple(placeholder_cases.install_waiting_placeholders((first, second), run))
    assert [result.cause for result in results] == [Cause.RUN_BUG, Cause.ISSUER_NONE]
    assert "in install" in results[0].note


def test_exception_while_scheduling_ends_the_case_with_its_trace(
    runs: NightlyRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def postponed(*_arguments: object) -> None:
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr(scheduler, "postponed", postponed)
    run: Any = None
    result = scheduler._not_started(case_of(runs, *expired()), run)
    assert result is not None
    assert (result.ended_as, result.cause) == ("failed", Cause.RUN_BUG)
    assert "in postponed" in result.note
