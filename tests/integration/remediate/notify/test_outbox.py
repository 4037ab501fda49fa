"""A notification is queued until it is sent, whatever the channel returns and whenever the run is killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from audit.redaction import Secrets
from remediate.model.causes import Cause
from remediate.notify.channels.base import Deferred, DeliveryOutcome, Envelope, Refused, Uncertain
from remediate.notify.channels.smtp import Smtp, parse_smtp_url
from tests.support.notify.nightly_runs import ADMIN, Contacts, Mailbox, NightlyRuns
from tests.support.notify.run_findings import OTHER, blocked, expired, logged_in
from tests.support.notify.smtp_sink import serving
from tests.support.remediate.result_rows import found, seen


def test_deferred_notification_is_sent_by_the_next_run(runs: NightlyRuns) -> None:
    runs.change_mail(mail_system=Mailbox(Deferred("no connection")))
    lines = runs.notify(*expired(), case_results=[blocked(runs)])
    assert "deferred: no connection; next attempt after" in lines[-1]
    with serving() as sink:
        runs.change_mail(mail_system=Smtp(parse_smtp_url(f"smtp://localhost:{sink.port}")))
        assert runs.notify(*expired(), case_results=[blocked(runs)]) == ("notification 1 sent",)
        assert runs.notify(*expired(), case_results=[blocked(runs)]) == ()
    [(sender, recipients, content)] = sink.taken
    assert (sender, recipients) == ("sslaudit@ctl.example.com", (ADMIN,))
    assert b"Subject: web1: certificate for www.example.com expired" in content


def test_refused_notification_counts_as_not_sent(runs: NightlyRuns) -> None:
    runs.box.outcome = Refused("550 no such user")
    lines = runs.notify(*expired(), case_results=[blocked(runs)])
    assert lines[-1] == f"notification 1: {ADMIN}: refused: 550 no such user"
    runs.box.outcome = Mailbox().outcome
    runs.notify(*expired(), case_results=[blocked(runs)])
    assert len(runs.box.sent) == 1


def test_next_run_composes_anew_if_killed_after_the_commit(runs: NightlyRuns) -> None:
    class Killed(Mailbox):
        def send(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, DeliveryOutcome]:
            commit()
            raise KeyboardInterrupt(envelope.recipients)

    runs.change_mail(mail_system=Killed())
    with pytest.raises(KeyboardInterrupt):
        runs.notify(*expired(), case_results=[blocked(runs)])
    runs.change_mail(mail_system=runs.box)
    lines = runs.notify(*expired(), case_results=[blocked(runs)])
    assert lines[0] == f"notification 1: {ADMIN}: uncertain: interrupted before the server's response"
    assert len(runs.box.sent) == 1
    assert runs.notify(*expired(), case_results=[blocked(runs)]) == ()


def test_uncertain_notification_is_followed_by_a_new_one(runs: NightlyRuns) -> None:
    runs.box.outcome = Uncertain("cut")
    runs.notify(*expired(), case_results=[blocked(runs)])
    runs.box.outcome = Deferred("greylisted")
    runs.notify(*expired(), case_results=[blocked(runs)])
    runs.box.outcome = Mailbox().outcome
    runs.notify(*expired(), case_results=[blocked(runs)])
    assert len(runs.box.sent) == 1


def test_notifications_of_a_run_are_queued_all_or_none(runs: NightlyRuns) -> None:
    runs.change_mail(to=())
    runs.sessions = {"web1": Contacts("one@example.com\n"), "web2": Contacts("two@example.com\n")}
    rows = (*expired(), logged_in("web2"), seen(OTHER), found(OTHER, "tls.old-protocol"))

    class Mortal(type(runs.journal.outbox)):  # type: ignore[misc]  # the outbox itself, killed at its first message
        def add(self, *arguments: Any, **options: Any) -> int:  # noqa: ANN401 - as it is
            super().add(*arguments, **options)
            raise KeyboardInterrupt

    alive = runs.journal.outbox
    runs.journal.outbox = Mortal(alive._database, Secrets())
    with pytest.raises(KeyboardInterrupt):
        runs.notify(*rows, case_results=[blocked(runs)])
    runs.journal.outbox = alive
    assert alive.queued() == ()
    runs.notify(*rows, case_results=[blocked(runs)])
    assert sorted(str(message["To"]) for message in runs.box.emails) == ["one@example.com", "two@example.com"]


def test_superseded_notifications_are_deleted(runs: NightlyRuns) -> None:
    for cause in (Cause.DCV_BLOCKED, Cause.DCV_MISSING, Cause.DCV_BROKEN):
        runs.notify(*expired(), case_results=[blocked(runs, cause)])
    assert [number for number, _ in runs.journal.outbox.sent()] == [3]
    runs.box.outcome = Deferred("greylisted")
    runs.notify(*expired(), case_results=[blocked(runs, Cause.DCV_ALTERED)])
    assert len(runs.journal.outbox.sent()) == 1, "the last state counts until the next notification is sent"
    assert runs.notify(*expired(), case_results=[blocked(runs, Cause.DCV_ALTERED)])[0].startswith("notification 4: ")
