"""Notifies recipients of a run: composes a notification for each group of recipients with news, queues and sends it.

A failure here never fails a repair: it is a line for a person, and the next run sends what could not be sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from audit.text import format_utc, join_limited, one_line
from audit.verdict import Severity
from remediate.hosts.command import CommandRunner
from remediate.model.case import Case
from remediate.model.outcome import CaseResult
from remediate.notify.changes import NotifiedState, changes_since, last_notified, superseded, without_silenced
from remediate.notify.channels.base import Channel
from remediate.notify.delivery import deliver, initial_progress
from remediate.notify.items import by_host, host_sections
from remediate.notify.notification import (
    Attachment,
    HostSection,
    Notification,
    ReportItem,
    hosts_worst_first,
    should_notify,
    state_digest,
    subject,
)
from remediate.notify.recipients import group_by_recipients, permitted_contacts
from remediate.notify.report import RunReport, results_of_hosts
from remediate.notify.settings import NotificationSettings
from remediate.state.journal import CaseOutcome

RESULTS: Final = "results.jsonl"
_NO_CHANNEL: Final = "no notification sent: neither [mail] nor [notify.NAME] is configured"
_MAX_AGE: Final = timedelta(days=7)
"""How long a repair is reported after a run that ended before it could report it."""

Recipients = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _News:
    """What a run has to report: the sections of all hosts, and the last outcome in the journal that they are about."""

    report: RunReport
    settings: NotificationSettings
    sections: tuple[HostSection, ...]
    results: bytes
    now: datetime
    last_outcome: int  # its number in the journal


@dataclass(frozen=True, slots=True)
class _Audience:
    """The recipients of one channel: the sections of each group, what they know, contacts that get no email."""

    key: str
    channel: Channel
    known: Mapping[Recipients, NotifiedState]
    groups: Mapping[Recipients, tuple[HostSection, ...]]
    refused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # lines by host


def notify(  # noqa: PLR0913 - all but two by keyword
    report: RunReport,
    settings: NotificationSettings | None,
    *,
    sessions: Mapping[str, CommandRunner],
    results: bytes,
    now: datetime,
    on_refused: Callable[[str], None] = lambda _: None,
) -> tuple[str, ...]:
    """Queue a notification for all recipients with news, send what is queued, and return lines for a person.

    Without settings nothing is sent or queued. The contacts of a host are read by its session if the configuration
    has no recipients. `results` is the results file of the audit; recipients get the lines about their hosts.
    `on_refused` is called with the line about each contact that gets no mail, which is also among the lines.
    An exception of one channel is raised after the others have sent.
    """
    if settings is None:
        return (_NO_CHANNEL,) if should_notify(host_sections(report, Severity.MEDIUM), None) else ()
    outbox, errors = report.journal.outbox, list[Exception]()
    sent_before = _deliver_all(report, settings, now, errors)  # first: what no recipient got counts as not sent
    news = _news(report, settings, results=results, now=now)
    audiences = [_audience(news, key, channel, sessions) for key, channel in settings.channels.items()]
    refused = [one_line(line) for audience in audiences for lines in audience.refused.values() for line in lines]
    for line in refused:
        on_refused(line)
    queued = _queue_all(news, audiences, errors)
    sent = _deliver_all(report, settings, now, errors)
    for key in settings.channels:
        for number in superseded(outbox.sent(key)):
            outbox.discard(number)
    lines = (*settings.remarks, *refused, *sent_before, *queued, *sent)
    if errors:
        errors[0].add_note("\n".join(lines))
        raise errors[0]
    return tuple(map(one_line, lines))


def _deliver_all(
    report: RunReport, settings: NotificationSettings, now: datetime, errors: list[Exception]
) -> tuple[str, ...]:
    """Send what is queued over each channel, and return lines; add an exception of ours to the errors."""
    lines = list[str]()
    for key, channel in settings.channels.items():
        try:
            lines += map(str, deliver(report.journal.outbox, key, channel, now))
        except Exception as error:  # noqa: BLE001 - the boundary of one channel: the others still send
            errors.append(error)
            lines.append(f"no delivery by [{key}]: {type(error).__name__}: {error}")
    return tuple(lines)


def _news(report: RunReport, settings: NotificationSettings, *, results: bytes, now: datetime) -> _News:
    """Return what the run has to report, with the repairs of runs that ended before they could."""
    outbox = report.journal.outbox
    unreported = report.journal.repairs_after(outbox.notified_through())
    last_outcome = max((number for number, _, _ in unreported), default=outbox.notified_through())
    complete = replace(report, case_results=(*report.case_results, *_missed(report, unreported, now)))
    sections = host_sections(complete, settings.fail_on, unknown_fails=settings.unknown_fails)
    return _News(complete, settings, sections, results, now, last_outcome)


def _missed(
    report: RunReport, unreported: Iterable[tuple[int, Case, CaseOutcome]], now: datetime
) -> Iterator[CaseResult]:
    """Yield the recent repairs of runs that ended before they could report them."""
    ended = {result.case.id for result in report.case_results}
    for _, case, outcome in unreported:
        if case.id not in ended and now - outcome.at < _MAX_AGE:
            note = f"repaired at {format_utc(outcome.at)}, in a run that ended before it could report it"
            yield CaseResult(case, "proven", note=note)


def _audience(news: _News, key: str, channel: Channel, sessions: Mapping[str, CommandRunner]) -> _Audience:
    """Return the recipients of a channel: those of whole runs, else the contacts of each host."""
    known = last_notified(news.report.journal.outbox.states(key))
    if channel.recipients:
        return _Audience(key, channel, known, {channel.recipients: news.sections})
    groups, refused = _groups_by_contact(news, known, sessions)
    return _Audience(key, channel, known, groups, refused)


def _groups_by_contact(
    news: _News, known: Mapping[Recipients, NotifiedState], sessions: Mapping[str, CommandRunner]
) -> tuple[Mapping[Recipients, tuple[HostSection, ...]], Mapping[str, tuple[str, ...]]]:
    """Return the sections of each group of contacts, and by host a line about each contact that gets no mail.

    Recipients of an earlier notification are notified of what changed since, if they still get mail.
    """
    default, policy = news.settings.default_recipients, news.settings.contacts
    relevant = [section for section in news.sections if any(not item.below_threshold for item in section.items)]
    contacts = permitted_contacts((section.host for section in relevant), sessions, policy)
    earlier = {
        section.host: permitted
        for state in known.values()
        for section in state.sections
        if (permitted := state.to if state.to == default else policy.permit_again(section.host, state.to))
    }
    used_by_host = earlier | {host: permitted.used for host, permitted in contacts.items()}
    groups = group_by_recipients(relevant, used_by_host, default)
    return dict.fromkeys(known, ()) | groups, {host: permitted.refused for host, permitted in contacts.items()}


def _queue_all(news: _News, audiences: Sequence[_Audience], errors: list[Exception]) -> tuple[str, ...]:
    """Queue a notification for each group that has news, all or none; return lines, add exceptions of ours."""
    with news.report.journal.outbox.record_batch(news.last_outcome):
        lines = [
            _queued(news, audience, recipients, errors) for audience in audiences for recipients in audience.groups
        ]
    return tuple(filter(None, lines))


def _queued(news: _News, audience: _Audience, recipients: Recipients, errors: list[Exception]) -> str:
    """Return a line about the notification of a group; add an exception of ours to the errors."""
    try:
        notification = _notification(news, audience, recipients)
        return _queue(news, audience, recipients, notification) if notification else ""
    except Exception as error:  # noqa: BLE001 - the boundary of one group: the others still get theirs
        errors.append(error)
        return f"no notification to {join_limited(recipients)}: {type(error).__name__}: {error}"


def _notification(news: _News, audience: _Audience, recipients: Recipients) -> Notification | None:
    """Return the notification of a group, None if there is no news for it."""
    sections = audience.groups[recipients]
    known = without_silenced(audience.known.get(recipients), news.report)
    changes = changes_since(known, news.sections, news.report)
    shown = _merged((*sections, *changes))
    state = should_notify(shown, state_digest(known.sections) if known else None)
    has_news = sections or any(item.state == "recovered" for section in changes for item in section.items)
    if state is None or not has_news:
        return None
    if state not in ("failed", "waiting"):  # no problem is left but what fails no run
        shown = _above_threshold(shown)
    hosts = {section.host for section in shown}
    results = news.results if audience.channel.recipients else results_of_hosts(news.results, hosts)
    files = (Attachment(RESULTS, results),) if results else ()
    remarks = tuple(line for host in sorted(hosts) for line in audience.refused.get(host, ()))
    return Notification(state, hosts_worst_first(shown), news.settings.origin(news.now), files, remarks)


def _merged(sections: Sequence[HostSection]) -> tuple[HostSection, ...]:
    return by_host((section.host, item) for section in sections for item in section.items)


def _above_threshold(sections: Sequence[HostSection]) -> tuple[HostSection, ...]:
    pairs = ((section.host, item) for section in sections for item in section.items)
    return by_host((host, item) for host, item in pairs if not item.below_threshold)


def _queue(news: _News, audience: _Audience, recipients: Recipients, notification: Notification) -> str:
    """Queue the fullest version of a notification that holds no secret; return a line about it."""
    outbox, refused = news.report.journal.outbox, dict[str, None]()
    for version in _versions(notification):
        try:
            message = audience.channel.render(version, recipients)
            state, progress = str(NotifiedState(recipients, version.sections)), initial_progress(recipients)
            number = outbox.add(state, message, news.now, channel=audience.key, progress=progress)
        except ValueError as error:
            refused[str(error)] = None
        else:
            return "; ".join((f"notification {number} to {join_limited(recipients)}: {subject(version)}", *refused))
    return f"no notification to {join_limited(recipients)}: {'; '.join(refused)}"


def _versions(notification: Notification) -> Iterator[Notification]:
    """Yield a notification as it is, then without its files, then without any text of another party."""
    yield notification
    without_files = replace(notification, attachments=())
    if notification.attachments:
        yield without_files
    pairs = ((section.host, _withheld(item)) for section in notification.sections for item in section.items)
    yield replace(without_files, sections=hosts_worst_first(by_host(pairs)), remarks=())


def _withheld(item: ReportItem) -> ReportItem:
    return replace(
        item, reason="(withheld because it holds a secret; see the output of the run)", tried="", happened=""
    )
