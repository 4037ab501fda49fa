"""An exception about one case or one reader costs the others nothing, and is not silent."""

from __future__ import annotations

from typing import Any

import pytest

from remediate.execution import placeholder_cases, scheduler
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.model.plan import Blocker, WaitingCase
from remediate.notify import notifier
from tests.support.notify.nights import Contacts, Nights
from tests.support.notify.results import OTHER, blocked, case_of, expired, here
from tests.support.remediate.result_rows import found, seen

BOTH = (here("web2"), seen(OTHER), found(OTHER, "tls.old-protocol", message="TLS 1.0 is offered"))


def test_notification_that_cannot_be_written_keeps_no_other_back(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.change_mail(to=())
    nights.sessions = {"web1": Contacts("one@example.com\n"), "web2": Contacts("two@example.com\n")}
    real = notifier._notification

    def notification(news: Any, audience: Any, recipients: tuple[str, ...]) -> Any:  # noqa: ANN401 - as in the module
        if recipients == ("one@example.com",):
            raise ZeroDivisionError("a bug of ours")
        return real(news, audience, recipients)

    monkeypatch.setattr(notifier, "_notification", notification)
    with pytest.raises(ZeroDivisionError) as raised:
        nights.night(*expired(), *BOTH, endings=[blocked(nights)])
    assert [str(one["To"]) for one in nights.box.emails] == ["two@example.com"]
    (note,) = raised.value.__notes__
    assert "no notification to one@example.com: ZeroDivisionError: a bug of ours" in note


def test_case_whose_stopgap_fails_keeps_no_other_back(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(nights, *expired())
    first, second = (WaitingCase(case, (Blocker(Cause.ISSUER_NONE, text),)) for text in ("first", "second"))

    def kept_up(one: WaitingCase, _means: object) -> CaseResult:
        if one is first:
            raise ZeroDivisionError("a bug of ours")
        return CaseResult(one.case, "failed", cause=Cause.ISSUER_NONE)

    monkeypatch.setattr(placeholder_cases, "_install_for", kept_up)
    run: Any = None
    endings = tuple(placeholder_cases.install_waiting_placeholders((first, second), run))
    assert [ending.cause for ending in endings] == [Cause.RUN_BUG, Cause.ISSUER_NONE]
    assert "in kept_up" in endings[0].note


def test_case_whose_turn_cannot_be_told_ends_with_the_trace(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    def postponed(*_arguments: object) -> None:
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr(scheduler, "postponed", postponed)
    run: Any = None
    ending = scheduler._not_started(case_of(nights, *expired()), run)
    assert ending is not None
    assert (ending.ended_as, ending.cause) == ("failed", Cause.RUN_BUG)
    assert "in postponed" in ending.note
