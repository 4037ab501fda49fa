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
from remediate.notify.channels.email_message import compose, subject
from remediate.notify.delivery import deliver
from remediate.notify.items import by_host, host_sections
from remediate.notify.notification import (
    Attachment,
    HostSection,
    Notification,
    ReportItem,
    hosts_worst_first,
    should_notify,
    state_digest,
)
from remediate.notify.recipients import group_by_recipients, permitted_contacts
from remediate.notify.report import RunReport, results_of_hosts
from remediate.notify.settings import NotificationSettings
from remediate.state.journal import CaseOutcome

RESULTS: Final = "results.jsonl"
_NO_MAIL: Final = "no notification sent: [mail] is not configured"
_MAX_AGE: Final = timedelta(days=7)
"""How long a repair is reported after a run that ended before it could report it."""

Recipients = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _News:
    """What a run has to report: all sections, the known state of each group of recipients, and refused contacts."""

    report: RunReport
    settings: NotificationSettings
    sections: tuple[HostSection, ...]
    known: Mapping[Recipients, NotifiedState]
    results: bytes
    now: datetime
    last_outcome: int  # its number in the journal
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
    """
    if settings is None:
        return (_NO_MAIL,) if should_notify(host_sections(report, Severity.MEDIUM), None) else ()
    outbox = report.journal.outbox
    sent_before = deliver(outbox, settings.channel, now)  # first: what no recipient got counts as not sent
    news, groups = _news(report, settings, sessions, results=results, now=now)
    refused = tuple(one_line(line) for lines in news.refused.values() for line in lines)
    for line in refused:
        on_refused(line)
    queued, errors = _queue_all(news, groups)
    sent = deliver(outbox, settings.channel, now)
    for number in superseded(outbox.sent()):
        outbox.discard(number)
    unusable = (f"{text!r} in [mail] is not a mail address" for text in settings.unusable)
    lines = (*unusable, *refused, *map(str, sent_before), *queued, *map(str, sent))
    if errors:
        errors[0].add_note("\n".join(lines))
        raise errors[0]
    return tuple(map(one_line, lines))


def _news(
    report: RunReport,
    settings: NotificationSettings,
    sessions: Mapping[str, CommandRunner],
    *,
    results: bytes,
    now: datetime,
) -> tuple[_News, Mapping[Recipients, tuple[HostSection, ...]]]:
    """Return what the run has to report, and the sections of each group of recipients."""
    outbox = report.journal.outbox
    unreported = report.journal.repairs_after(outbox.notified_through())
    last_outcome = max((number for number, _, _ in unreported), default=outbox.notified_through())
    whole = replace(report, case_results=(*report.case_results, *_missed(report, unreported, now)))
    sections = host_sections(whole, settings.fail_on, unknown_fails=settings.unknown_fails)
    news = _News(whole, settings, sections, last_notified(outbox.states()), results, now, last_outcome)
    groups, refused = _groups(news, sessions)
    return replace(news, refused=refused), groups


def _missed(
    report: RunReport, unreported: Iterable[tuple[int, Case, CaseOutcome]], now: datetime
) -> Iterator[CaseResult]:
    """Yield the recent repairs of runs that ended before they could report them."""
    ended = {result.case.id for result in report.case_results}
    for _, case, outcome in unreported:
        if case.id not in ended and now - outcome.at < _MAX_AGE:
            note = f"repaired at {format_utc(outcome.at)}, in a run that ended before it could report it"
            yield CaseResult(case, "proven", note=note)


def _groups(
    news: _News, sessions: Mapping[str, CommandRunner]
) -> tuple[Mapping[Recipients, tuple[HostSection, ...]], Mapping[str, tuple[str, ...]]]:
    """Return the sections of each group of recipients, and by host a line about each contact that gets no mail.

    Recipients of an earlier notification are notified of what changed since, if they still get mail.
    """
    settings, policy = news.settings, news.settings.contacts
    if settings.recipients:
        return {settings.recipients: news.sections}, {}
    relevant = [section for section in news.sections if any(not item.below_threshold for item in section.items)]
    contacts = permitted_contacts((section.host for section in relevant), sessions, policy)
    earlier = {
        section.host: used
        for state in news.known.values()
        for section in state.sections
        if (
            used := state.to if state.to == settings.default_recipients else policy.permit_again(section.host, state.to)
        )
    }
    used_by_host = earlier | {host: permitted.used for host, permitted in contacts.items()}
    groups = group_by_recipients(relevant, used_by_host, settings.default_recipients)
    refused = {host: permitted.refused for host, permitted in contacts.items()}
    return dict.fromkeys(news.known, ()) | groups, refused


def _queue_all(
    news: _News, groups: Mapping[Recipients, tuple[HostSection, ...]]
) -> tuple[tuple[str, ...], Sequence[Exception]]:
    """Queue a notification for each group that has news, all or none; return lines, and exceptions of ours."""
    outbox, errors = news.report.journal.outbox, list[Exception]()
    with outbox.record_batch(news.last_outcome):
        lines = [_queued(news, recipients, sections, errors) for recipients, sections in groups.items()]
    return tuple(filter(None, lines)), errors


def _queued(news: _News, recipients: Recipients, sections: tuple[HostSection, ...], errors: list[Exception]) -> str:
    """Return a line about the notification of a group; add an exception of ours to the errors."""
    try:
        notification = _notification(news, recipients, sections)
        return _queue(news, recipients, notification) if notification else ""
    except Exception as error:  # noqa: BLE001 - the boundary of one group: the others still get their mail
        errors.append(error)
        return f"no notification to {join_limited(recipients)}: {type(error).__name__}: {error}"


def _notification(news: _News, recipients: Recipients, sections: Sequence[HostSection]) -> Notification | None:
    """Return the notification of a group, None if there is no news for it."""
    known = without_silenced(news.known.get(recipients), news.report)
    changes = changes_since(known, news.sections, news.report)
    shown = _merged((*sections, *changes))
    state = should_notify(shown, state_digest(known.sections) if known else None)
    has_news = sections or any(item.state == "recovered" for section in changes for item in section.items)
    if state is None or not has_news:
        return None
    if state not in ("failed", "waiting"):  # no problem is left but what fails no run
        shown = _above_threshold(shown)
    hosts = {section.host for section in shown}
    results = news.results if news.settings.recipients else results_of_hosts(news.results, hosts)
    files = (Attachment(RESULTS, results),) if results else ()
    remarks = tuple(line for host in sorted(hosts) for line in news.refused.get(host, ()))
    return Notification(state, hosts_worst_first(shown), news.settings.origin(news.now), files, remarks)


def _merged(sections: Sequence[HostSection]) -> tuple[HostSection, ...]:
    return by_host((section.host, item) for section in sections for item in section.items)


def _above_threshold(sections: Sequence[HostSection]) -> tuple[HostSection, ...]:
    pairs = ((section.host, item) for section in sections for item in section.items)
    return by_host((host, item) for host, item in pairs if not item.below_threshold)


def _queue(news: _News, recipients: Recipients, notification: Notification) -> str:
    """Queue the fullest version of a notification that holds no secret; return a line about it."""
    settings, outbox, refused = news.settings, news.report.journal.outbox, list[str]()
    for version in _versions(notification):
        try:
            message = compose(version, settings.sender, recipients, secrets=settings.secrets).as_bytes()
            number = outbox.add(str(NotifiedState(recipients, version.sections)), message, news.now)
        except ValueError as error:
            refused.append(str(error))
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
