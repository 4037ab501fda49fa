"""A deferred message is queued and tried again, and no recipient gets a message twice, wherever the process ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from audit.redaction import Secrets
from remediate.notify.channels.base import Deferred, DeliveryOutcome, MailSystem, Refused, Uncertain
from remediate.notify.channels.email_message import compose
from remediate.notify.channels.mail import Mail
from remediate.notify.delivery import DeliveryReport, deliver
from remediate.state.database import open_database
from remediate.state.outbox import MAIL, Outbox
from tests.integration.remediate.notify.test_smtp import smtp
from tests.support.notify.nightly_runs import Mailbox
from tests.support.notify.notifications import AT, notification
from tests.support.notify.smtp_sink import answering, misbehaving, serving

ONE, TWO = "one@example.com", "two@example.com"
RAW = compose(notification(), "sslaudit@example.com", [ONE, TWO]).as_bytes()


class Box(Outbox):
    """The outbox of a journal, which notes what it recorded; killed at a record where a test says so."""

    ended: list[tuple[int, str]]
    killed_after = 10_000
    records = 0

    def put(self, *recipients: str) -> None:
        raw = compose(notification(), "sslaudit@example.com", recipients).as_bytes()
        self.add("state", raw, AT)

    def record_progress(self, number: int, progress: str) -> None:
        super().record_progress(number, progress)
        self._count()

    def record_sent(self, number: int, at: datetime) -> None:
        super().record_sent(number, at)
        self.ended.append((number, "sent"))
        self._count()

    def discard(self, number: int) -> None:
        super().discard(number)
        self.ended.append((number, "discarded"))
        self._count()

    def _count(self) -> None:
        self.records += 1
        if self.records == self.killed_after:
            raise KeyboardInterrupt


def deliver_mail(outbox: Outbox, mail_system: MailSystem, at: datetime) -> tuple[DeliveryReport, ...]:
    """Send what is queued by this mail system."""
    return deliver(outbox, MAIL, Mail(mail_system, "ctl.example.com"), at)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """Return an outbox with one message to two recipients."""
    database = open_database(tmp_path / "state")
    box = Box(database, Secrets())
    box.ended = []
    box.put(ONE, TWO)
    yield box
    database.close()


@pytest.mark.parametrize(
    ("outcomes", "ended", "delivered", "text"),
    [
        ({}, "sent", [ONE, TWO], "notification 1 sent"),
        ({ONE: Refused("550")}, "sent", [TWO], f"notification 1: {ONE}: refused: 550"),
        (
            {ONE: Refused("550"), TWO: Uncertain("cut")},
            *("discarded", [], f"notification 1: {ONE}: refused: 550; {TWO}: uncertain: cut"),
        ),
    ],
    ids=["all got it", "one got it", "none got it"],
)
def test_message_without_a_deferred_recipient_is_queued_no_longer(
    box: Box, outcomes: dict[str, DeliveryOutcome], ended: str, delivered: list[str], text: str
) -> None:
    channel = Mailbox(outcomes=outcomes)
    (report,) = deliver_mail(box, channel, AT)
    assert (box.ended, channel.delivered, str(report)) == ([(1, ended)], delivered, text)
    assert deliver_mail(box, channel, AT + timedelta(days=1)) == ()
    assert channel.delivered == delivered


def test_deferred_recipient_is_tried_again_later_and_the_other_is_not(box: Box) -> None:
    channel = Mailbox(outcomes={TWO: Deferred("greylisted")})
    (report,) = deliver_mail(box, channel, AT)
    assert report.next_at == AT + timedelta(minutes=30)
    assert str(report) == (
        "notification 1: two@example.com: deferred: greylisted; next attempt after 2026-11-24T02:30:00Z"
    )
    assert deliver_mail(box, channel, AT + timedelta(minutes=29)) == ()
    channel.outcomes.clear()
    deliver_mail(box, channel, AT + timedelta(minutes=30))
    assert (channel.delivered, box.ended) == ([ONE, TWO], [(1, "sent")])


def test_pause_doubles_to_four_hours_and_after_five_days_it_is_given_up(box: Box) -> None:
    channel, at, pauses = Mailbox(outcomes={ONE: Deferred("down"), TWO: Deferred("down")}), AT, []
    while box.queued():
        (report,) = deliver_mail(box, channel, at)
        if report.next_at:
            pauses.append((report.next_at - at) / timedelta(hours=1))
            at = report.next_at
    assert pauses[:5] == [0.5, 1, 2, 4, 4]
    assert box.ended == [(1, "discarded")]
    assert report.outcomes[ONE] == Refused("given up after 5 days: down")
    assert timedelta(days=5) < at - AT < timedelta(days=5, hours=5)


def test_only_deferred_recipients_are_tried_again(box: Box) -> None:
    deliver_mail(box, Mailbox(outcomes={ONE: Deferred("no connection"), TWO: Uncertain("cut")}), AT)
    again = Mailbox()
    deliver_mail(box, again, AT + timedelta(days=1))
    assert (again.delivered, box.ended) == ([ONE], [(1, "sent")])


def test_message_that_one_recipient_got_earlier_is_sent_if_others_refuse(box: Box) -> None:
    channel = Mailbox(outcomes={TWO: Deferred("greylisted")})
    for days in (0, 1):
        deliver_mail(box, channel, AT + timedelta(days=days))
    channel.outcomes[TWO] = Refused("550 no such user")
    deliver_mail(box, channel, AT + timedelta(days=2))
    assert (channel.delivered, box.ended) == ([ONE], [(1, "sent")])


def test_message_stays_taken_if_a_later_attempt_is_killed(box: Box) -> None:
    deliver_mail(box, Mailbox(outcomes={TWO: Deferred("greylisted")}), AT)
    box.killed_after = box.records + 1
    with pytest.raises(KeyboardInterrupt):
        deliver_mail(box, Mailbox(), AT + timedelta(days=1))
    deliver_mail(box, Mailbox(), AT + timedelta(days=2))
    assert box.ended == [(1, "sent")]


def test_deferred_message_does_not_hold_up_the_next(box: Box) -> None:
    box.put("three@example.com")
    channel = Mailbox(outcomes={ONE: Deferred("down"), TWO: Deferred("down")})
    deliver_mail(box, channel, AT)
    assert (channel.delivered, [message.number for message in box.queued()]) == (["three@example.com"], [1])


@pytest.mark.parametrize("killed_after", [1, 2, 3, 4])
def test_run_killed_at_any_record_sends_no_message_twice(box: Box, killed_after: int) -> None:
    channel = Mailbox(outcomes={TWO: Deferred("down")})
    box.killed_after = killed_after

    def deliver_for_two_days() -> None:
        for days in (0, 1):
            deliver_mail(box, channel, AT + timedelta(days=days))
            channel.outcomes.clear()

    with pytest.raises(KeyboardInterrupt):
        deliver_for_two_days()
    channel.outcomes.clear()
    for days in (3, 4):
        deliver_mail(box, channel, AT + timedelta(days=days))
    assert box.queued() == ()
    assert len(channel.delivered) == len(set(channel.delivered))
    assert [number for number, _ in box.ended] == [1]


def test_message_is_not_sent_again_if_the_server_cuts_after_the_content(box: Box) -> None:
    with misbehaving(answering(content=None)) as port:
        (report,) = deliver_mail(box, smtp(port), AT)
    assert all(isinstance(outcome, Uncertain) for outcome in report.outcomes.values())
    with serving() as sink:
        assert deliver_mail(box, smtp(sink.port), AT + timedelta(days=1)) == ()
    assert sink.taken == []


def test_server_that_greylists_gets_the_message_the_second_time(box: Box) -> None:
    with serving() as sink:
        sink.responses = dict.fromkeys((ONE, TWO), "451 4.7.1 greylisted")
        deliver_mail(box, smtp(sink.port), AT)
        sink.responses.clear()
        deliver_mail(box, smtp(sink.port), AT + timedelta(hours=1))
        deliver_mail(box, smtp(sink.port), AT + timedelta(hours=2))
    assert [recipients for _, recipients, _ in sink.taken] == [(ONE, TWO)]


def test_journal_keeps_the_state_of_sent_messages_only(tmp_path: Path) -> None:
    database = open_database(tmp_path / "state")
    outbox = Outbox(database, Secrets())
    outbox.add("well", None, AT)
    outbox.add("first", RAW, AT)
    channel = Mailbox(outcomes={TWO: Deferred("greylisted")})
    deliver_mail(outbox, channel, AT)
    assert deliver_mail(outbox, channel, AT) == (), "it is not due yet"
    channel.outcomes.clear()
    deliver_mail(outbox, channel, AT + timedelta(days=1))
    assert (channel.delivered, outbox.queued(), outbox.states()[-1]) == ([ONE, TWO], (), "first")
    outbox.add("second", RAW, AT)
    deliver_mail(outbox, Mailbox(outcomes={ONE: Refused("550"), TWO: Uncertain("cut")}), AT)
    assert (outbox.queued(), outbox.states()[-1]) == ((), "first")
    database.close()
