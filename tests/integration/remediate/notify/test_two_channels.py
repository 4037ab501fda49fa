"""Email and webhook side by side: each has its own queue and its own outcome, and a failure of one stops no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from audit.redaction import Secrets
from remediate.model.causes import Cause
from remediate.notify.channels.base import Channel, Deferred, DeliveryOutcome, Refused
from remediate.notify.channels.webhook import Webhook
from remediate.notify.notification import Notification
from remediate.state.outbox import MAIL
from tests.support.notify.nightly_runs import ADMIN, Contacts, NightlyRuns
from tests.support.notify.run_findings import OTHER, blocked, expired, logged_in, renewed
from tests.support.notify.webhook_receiver import SECRET, Receiver, receiving
from tests.support.remediate.result_rows import found, seen

OPS = "notify.ops"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def webhook_to(receiver: Receiver) -> Webhook:
    """Return a webhook with a deadline that a slow machine does not miss."""
    return Webhook(OPS, receiver.url(), lambda: SECRET, deadline_s=60.0)


def add_channel(runs: NightlyRuns, channel: Channel) -> None:
    """Configure a channel `ops` beside that of emails."""
    assert runs.settings
    runs.change(channels={OPS: channel, MAIL: runs.settings.channels[MAIL]})


@pytest.fixture
def both(runs: NightlyRuns, receiver: Receiver) -> NightlyRuns:
    """Return runs with both channels."""
    add_channel(runs, webhook_to(receiver))
    return runs


def test_both_channels_report_problem_and_recovery_once(both: NightlyRuns, receiver: Receiver) -> None:
    lines = both.notify(*expired(), case_results=[blocked(both)])
    assert [line.partition(": ")[0] for line in lines] == [
        *(f"notification 1 to {OPS}", f"notification 2 to {ADMIN}"),
        *("notification 1 sent", "notification 2 sent"),
    ]
    assert both.notify(*expired(), case_results=[blocked(both)]) == ()
    both.notify(*renewed())
    assert [message["type"] for message in receiver.messages.values()] == ["sslaudit.failed", "sslaudit.recovered"]
    assert len(both.box.sent) == 2
    assert [number for number, _ in both.journal.outbox.sent()] == [3, 4], "each channel keeps its last state"


def test_webhook_gets_whole_run_while_contacts_get_their_hosts(both: NightlyRuns, receiver: Receiver) -> None:
    both.change_mail(to=())
    both.sessions = {"web1": Contacts("one@example.com\n"), "web2": Contacts("two@example.com\n")}
    other = (logged_in("web2"), seen(OTHER), found(OTHER, "tls.old-protocol", message="TLS 1.0 is offered"))
    both.notify(*expired(), *other, case_results=[blocked(both)])
    assert sorted(str(message["To"]) for message in both.box.emails) == ["one@example.com", "two@example.com"]
    (message,) = receiver.messages.values()
    assert {item["host"] for item in message["data"]["items"]} == {"web1", "web2"}


def test_channel_that_is_added_later_gets_the_present_state(runs: NightlyRuns, receiver: Receiver) -> None:
    runs.notify(*expired(), case_results=[blocked(runs)])
    add_channel(runs, webhook_to(receiver))
    runs.notify(*expired(), case_results=[blocked(runs)])
    assert (len(runs.box.sent), len(receiver.messages)) == (1, 1)


@pytest.mark.parametrize("status", [500, 404])
def test_email_is_sent_if_the_webhook_fails(both: NightlyRuns, receiver: Receiver, status: int) -> None:
    receiver.status = status
    both.notify(*expired(), case_results=[blocked(both)])
    assert len(both.box.sent) == 1
    receiver.status = 204
    both.notify(*expired(), case_results=[blocked(both)])
    assert len(both.box.sent) == 1
    assert [fields["webhook-id"] in receiver.messages for fields, _ in receiver.requests] == [True, True]


@pytest.mark.parametrize("outcome", [Deferred("greylisted"), Refused("550 no such user")])
def test_webhook_is_sent_if_the_email_fails(both: NightlyRuns, receiver: Receiver, outcome: DeliveryOutcome) -> None:
    both.box.outcome = outcome
    lines = both.notify(*expired(), case_results=[blocked(both)])
    assert len(receiver.messages) == 1
    assert f"notification 2: {ADMIN}: {type(outcome).__name__.lower()}: " in lines[-1]
    both.notify(*expired(), case_results=[blocked(both)])
    assert len(receiver.requests) == 1


def test_deferred_webhook_is_sent_again_with_the_same_id_and_body(both: NightlyRuns, receiver: Receiver) -> None:
    receiver.status = 503
    lines = both.notify(*expired(), case_results=[blocked(both)])
    why = f"localhost:{receiver.port} responded 503; next attempt after 2026-11-23T03:30:00Z"
    assert lines[2] == f"notification 1: {OPS}: deferred: {why}"
    receiver.status = 200
    assert both.notify(*expired(), case_results=[blocked(both)]) == ("notification 1 sent",)
    (first, body), (second, repeated) = receiver.requests
    assert (first["webhook-id"], body) == (second["webhook-id"], repeated)
    assert first["webhook-signature"].startswith("v1,")


@dataclass(frozen=True)
class Interrupted(Webhook):
    """A webhook whose process is killed when the receiver has the message, or just before it."""

    sends: bool = True

    def send(self, *arguments: Any) -> Mapping[str, DeliveryOutcome]:  # noqa: ANN401 - those of a webhook
        if self.sends:
            super().send(*arguments)
        raise KeyboardInterrupt


@pytest.mark.parametrize("sends", [False, True])
def test_run_killed_around_the_request_sends_the_same_message_again(
    runs: NightlyRuns, receiver: Receiver, *, sends: bool
) -> None:
    add_channel(runs, Interrupted(OPS, receiver.url(), lambda: SECRET, deadline_s=60.0, sends=sends))
    with pytest.raises(KeyboardInterrupt):
        runs.notify(*expired(), case_results=[blocked(runs)])
    assert len(runs.journal.outbox.queued(OPS)) == 1, "it was recorded before it was sent"
    add_channel(runs, webhook_to(receiver))
    lines = runs.notify(*expired(), case_results=[blocked(runs)])
    assert lines == ("notification 1 sent", "notification 2 sent")
    assert (len(receiver.requests), len(receiver.messages)) == (1 + sends, 1)
    assert len(runs.box.sent) == 1
    assert runs.notify(*expired(), case_results=[blocked(runs)]) == ()


def test_retry_after_delays_the_next_attempt(both: NightlyRuns) -> None:
    add_channel(both, Answering(Deferred("429", retry_after_s=90_000)))
    start = both.now
    both.notify(*expired(), case_results=[blocked(both)])
    for hours, is_due in ((23, False), (24, True)):
        both.now = start + timedelta(hours=hours)
        lines = both.notify(*expired(), case_results=[blocked(both)])
        assert bool(lines) is is_due


@dataclass
class Answering:
    """A channel of whole runs that returns one outcome, or raises an exception."""

    outcome: DeliveryOutcome | Exception
    recipients: tuple[str, ...] = (OPS,)
    target: str = "a test"

    def render(self, notification: Notification, recipients: tuple[str, ...]) -> bytes:
        return f"{recipients} {notification.state}".encode()

    def send(self, _message: bytes, recipients: tuple[str, ...], _commit: object) -> Mapping[str, DeliveryOutcome]:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return dict.fromkeys(recipients, self.outcome)


def test_exception_of_one_channel_is_raised_after_the_other_has_sent(runs: NightlyRuns) -> None:
    add_channel(runs, Answering(ZeroDivisionError("a bug of ours")))
    with pytest.raises(ZeroDivisionError) as raised:
        runs.notify(*expired(), case_results=[blocked(runs)])
    assert len(runs.box.sent) == 1
    (note,) = raised.value.__notes__
    assert f"no delivery by [{OPS}]: ZeroDivisionError: a bug of ours" in note
    assert "notification 2 sent" in note


def test_message_with_a_secret_is_sent_without_the_text(both: NightlyRuns, receiver: Receiver) -> None:
    assert both.settings
    webhook = both.settings.channels[OPS]
    assert isinstance(webhook, Webhook)
    add_channel(both, replace(webhook, secrets=Secrets(("tok-1234567",))))
    result = replace(blocked(both), cause=Cause.ISSUER_REFUSED, note="the CA said tok-1234567 is wrong")
    lines = both.notify(*expired(), case_results=[result])
    (message,) = receiver.messages.values()
    assert message["data"]["items"][0]["reason"].startswith("(withheld because it holds a secret")
    assert lines[0].endswith("; not sent: a secret of the configuration is in the message")
    assert b"tok-1234567" not in b"".join(body for _, body in receiver.requests)


def test_webhook_alone_needs_no_contact_of_a_host(runs: NightlyRuns, receiver: Receiver) -> None:
    runs.change(channels={OPS: webhook_to(receiver)})
    contacts = Contacts("one@example.com\n")
    runs.sessions = {"web1": contacts}
    runs.notify(*expired(), case_results=[blocked(runs)])
    assert (len(receiver.messages), contacts.commands, runs.box.sent) == (1, [], [])
