"""A notification is queued until it is sent, whatever the channel returns and whenever the run is killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from audit.redaction import Secrets
from remediate.model.causes import Cause
from remediate.notify.channels.base import Deferred, DeliveryOutcome, Envelope, Refused, Uncertain
from remediate.notify.channels.smtp import Smtp, parse_smtp_url
from tests.support.notify.nights import ADMIN, Contacts, Mailbox, Nights
from tests.support.notify.results import OTHER, blocked, expired, here
from tests.support.notify.smtp_servers import serving
from tests.support.remediate.result_rows import found, seen


def test_a_notification_that_nobody_took_is_kept_and_handed_over_by_the_next_run(nights: Nights) -> None:
    nights.change_mail(mail_system=Mailbox(Deferred("no connection")))
    lines = nights.night(*expired(), endings=[blocked(nights)])
    assert "deferred: no connection; next attempt after" in lines[-1]
    with serving() as sink:
        nights.change_mail(mail_system=Smtp(parse_smtp_url(f"smtp://localhost:{sink.port}")))
        assert nights.night(*expired(), endings=[blocked(nights)]) == ("notification 1 sent",)
        assert nights.night(*expired(), endings=[blocked(nights)]) == ()
    [(sender, recipients, content)] = sink.taken
    assert (sender, recipients) == ("sslaudit@ctl.example.com", (ADMIN,))
    assert b"Subject: web1: certificate for www.example.com expired" in content


def test_a_notification_that_was_refused_counts_as_not_told(nights: Nights) -> None:
    nights.box.outcome = Refused("550 no such user")
    lines = nights.night(*expired(), endings=[blocked(nights)])
    assert lines[-1] == f"notification 1: {ADMIN}: refused: 550 no such user"
    nights.box.outcome = Mailbox().outcome
    nights.night(*expired(), endings=[blocked(nights)])
    assert len(nights.box.sent) == 1


def test_killed_between_the_commit_and_its_record_the_next_run_writes_anew(nights: Nights) -> None:
    class Killed(Mailbox):
        def send(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, DeliveryOutcome]:
            commit()
            raise KeyboardInterrupt(envelope.recipients)

    nights.change_mail(mail_system=Killed())
    with pytest.raises(KeyboardInterrupt):
        nights.night(*expired(), endings=[blocked(nights)])
    nights.change_mail(mail_system=nights.box)
    lines = nights.night(*expired(), endings=[blocked(nights)])
    assert lines[0] == f"notification 1: {ADMIN}: uncertain: interrupted before the server's response"
    assert len(nights.box.sent) == 1
    assert nights.night(*expired(), endings=[blocked(nights)]) == ()


def test_a_notification_whose_answer_was_lost_is_followed_by_one_of_the_next_run(nights: Nights) -> None:
    nights.box.outcome = Uncertain("cut")
    nights.night(*expired(), endings=[blocked(nights)])
    nights.box.outcome = Deferred("greylisted")
    nights.night(*expired(), endings=[blocked(nights)])
    nights.box.outcome = Mailbox().outcome
    nights.night(*expired(), endings=[blocked(nights)])
    assert len(nights.box.sent) == 1


def test_notifications_are_kept_all_or_none_so_that_a_run_killed_between_them_tells_all(nights: Nights) -> None:
    nights.change_mail(to=())
    nights.sessions = {"web1": Contacts("one@example.com\n"), "web2": Contacts("two@example.com\n")}
    rows = (*expired(), here("web2"), seen(OTHER), found(OTHER, "tls.old-protocol"))

    class Mortal(type(nights.journal.outbox)):  # type: ignore[misc]  # the outbox itself, killed at its first message
        def add(self, *arguments: Any, **options: Any) -> int:  # noqa: ANN401 - as it is
            super().add(*arguments, **options)
            raise KeyboardInterrupt

    alive = nights.journal.outbox
    nights.journal.outbox = Mortal(alive._database, Secrets())
    with pytest.raises(KeyboardInterrupt):
        nights.night(*rows, endings=[blocked(nights)])
    nights.journal.outbox = alive
    assert alive.queued() == ()
    nights.night(*rows, endings=[blocked(nights)])
    assert sorted(str(message["To"]) for message in nights.box.emails) == ["one@example.com", "two@example.com"]


def test_notifications_that_were_followed_by_another_are_not_kept_for_ever(nights: Nights) -> None:
    for cause in (Cause.DCV_BLOCKED, Cause.DCV_MISSING, Cause.DCV_BROKEN):
        nights.night(*expired(), endings=[blocked(nights, cause)])
    assert [number for number, _ in nights.journal.outbox.sent()] == [3]
    nights.box.outcome = Deferred("greylisted")
    nights.night(*expired(), endings=[blocked(nights, Cause.DCV_ALTERED)])
    assert len(nights.journal.outbox.sent()) == 1, "what was told last counts until the next is handed over"
    assert nights.night(*expired(), endings=[blocked(nights, Cause.DCV_ALTERED)])[0].startswith("notification 4: ")
