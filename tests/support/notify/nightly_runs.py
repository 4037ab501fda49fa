"""Nightly runs for tests of notifications: the findings, the results of the repairs, and the emails that were sent.

All runs have the same journal and channels.
"""

from __future__ import annotations

import email
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from remediate.hosts.command import Command, CommandResult, CommandRunner
from remediate.model.audit_results import audit_results_of
from remediate.model.options import RunLimits
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan, WaitingCase
from remediate.notify import notifier
from remediate.notify.channels.base import Deferred, Delivered, DeliveryOutcome, Envelope
from remediate.notify.channels.mail import Mail
from remediate.notify.report import RunReport
from remediate.notify.settings import NotificationSettings
from remediate.planning.planner import plan
from remediate.state.journal import Journal
from remediate.state.outbox import MAIL
from tests.support.remediate.result_rows import NOW, SUMMARY, Row

ADMIN = "admin@example.com"
CONTROLLER = "ctl.example.com"


def settings_of(mail: Mail) -> NotificationSettings:
    """Return settings by which emails alone are sent."""
    return NotificationSettings(CONTROLLER, "0.1.0", {MAIL: mail}, remarks=mail.remarks)


@dataclass
class Mailbox:
    """A mail system that delivers everything, or returns the outcomes that a test sets for all or some recipients."""

    outcome: DeliveryOutcome = field(default_factory=lambda: Delivered("250 OK"))
    outcomes: dict[str, DeliveryOutcome] = field(default_factory=dict)
    sent: list[Envelope] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)

    name: str = "a mailbox"

    def send(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, DeliveryOutcome]:
        outcomes = {recipient: self.outcomes.get(recipient, self.outcome) for recipient in envelope.recipients}
        if any(not isinstance(outcome, Deferred) for outcome in outcomes.values()):
            commit()
        delivered = [recipient for recipient, outcome in outcomes.items() if isinstance(outcome, Delivered)]
        self.delivered += delivered
        if delivered:
            self.sent.append(envelope)
        return outcomes

    @property
    def emails(self) -> list[EmailMessage]:
        """The emails that were delivered."""
        return [email.message_from_bytes(envelope.message, policy=SMTP) for envelope in self.sent]

    @property
    def texts(self) -> list[str]:
        """The plain texts of the emails that were delivered, each as one line."""
        return [text_of(message) for message in self.emails]

    @property
    def subjects(self) -> list[str]:
        """The subjects of the emails that were delivered."""
        return [str(message["Subject"]) for message in self.emails]


@dataclass
class Contacts:
    """A session on a host with these files of contacts."""

    forward: str = ""
    panel: str = ""
    name: str = "web1.example.com"
    commands: list[Command] = field(default_factory=list)

    def run(self, command: Command) -> CommandResult:
        self.commands.append(command)
        return CommandResult(0, f"{self.name}\n--- panel\n{self.panel}--- forward\n{self.forward}")


@dataclass
class NightlyRuns:
    """Notifies of one run after the other, at three each night."""

    journal: Journal
    box: Mailbox = field(default_factory=Mailbox)
    settings: NotificationSettings | None = None
    sessions: Mapping[str, CommandRunner] = field(default_factory=dict)
    now: datetime = NOW
    results: bytes = b""
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings = settings_of(Mail(self.box, CONTROLLER, (ADMIN,)))

    def change(self, **differing: Any) -> None:  # noqa: ANN401 - the fields of the settings
        """Change the settings."""
        assert self.settings
        self.settings = replace(self.settings, **differing)

    def change_mail(self, **differing: Any) -> None:  # noqa: ANN401 - the fields of the channel
        """Change the channel of emails."""
        assert self.settings
        mail = self.settings.channels[MAIL]
        assert isinstance(mail, Mail)
        changed = replace(mail, **differing)
        self.change(channels={**self.settings.channels, MAIL: changed}, remarks=changed.remarks)

    def plan(self, *rows: Row) -> Plan:
        """Return the plan of a run."""
        return plan(audit_results_of([*rows, SUMMARY]), RunLimits(), NOW)

    def notify(
        self,
        *rows: Row,
        case_results: Sequence[CaseResult] = (),
        after: Sequence[Row] | None = None,
        waiting: Sequence[WaitingCase] = (),
    ) -> tuple[str, ...]:
        """Notify of the run of a night, and advance to the next night; return the lines.

        With `waiting` no case is repaired, and these wait.
        """
        planned = self.plan(*rows)
        judged_again = None if after is None else audit_results_of([*after, SUMMARY])
        report = RunReport(
            replace(planned, cases=(), waiting=tuple(waiting)) if waiting else planned,
            tuple(case_results),
            audit_results_of([*rows, SUMMARY]),
            self.journal,
            judged_again,
        )
        lines = notifier.notify(
            report,
            self.settings,
            sessions=self.sessions,
            results=self.results,
            now=self.now,
            on_refused=self.refused.append,
        )
        self.now += timedelta(days=1)
        return lines


def text_of(message: EmailMessage) -> str:
    """Return the plain text of an email, its lines joined."""
    body = message.get_body(("plain",))
    assert body is not None
    return " ".join(str(body.get_content()).split())
