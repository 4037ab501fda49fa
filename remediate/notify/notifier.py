"""Tells of a run: what it came to is written to whoever is to read it, kept, and handed over.

It knows what is news and to whom; how a run came to it, and how mail travels, is known elsewhere. Nothing that goes
wrong here fails a repair: it is a line for a person, and what was not handed over is tried again by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from audit.text import listing, moment, one_line
from audit.verdict import Severity
from remediate.hosts.session import CommandRunner
from remediate.model.case import Case
from remediate.model.outcome import CaseResult
from remediate.notify.account import Account
from remediate.notify.changes import NotifiedState, last_told, since, still_heard, superseded
from remediate.notify.channels.email_message import Attachment, Letter, compose, should_notify, state_digest, subject
from remediate.notify.delivery import deliver
from remediate.notify.excerpt import excerpt
from remediate.notify.items import by_host, sections_of
from remediate.notify.notification import ReportItem, Section, hosts_worst_first
from remediate.notify.recipients import contacts, group_by_reader
from remediate.notify.report import RunReport
from remediate.state.journal import Outcome
from remediate.state.outbox import Outbox

RESULTS: Final = "results.jsonl"
_UNASKED: Final = "nobody is written to: there is no [mail] in the configuration"

_LONG_AGO: Final = timedelta(days=7)

Reader = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Telling:
    """What is told in one run: all sections, what each reader knew, and per host which of its contacts get no mail."""

    upshot: RunReport
    account: Account
    sections: tuple[Section, ...]
    told: Mapping[Reader, NotifiedState]
    results: bytes
    now: datetime
    refused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def tell(  # noqa: PLR0913 - all but two by keyword
    upshot: RunReport,
    account: Account | None,
    *,
    hands: Mapping[str, CommandRunner],
    results: bytes,
    now: datetime,
    on_refused: Callable[[str], None] = lambda _: None,
) -> tuple[str, ...]:
    """Write what is news to whoever is to read it, hand over what waits, and return lines for a person.

    Without an account nobody is written to and nothing is kept. `hands` are asked for a host's own contact where the
    configuration names nobody; `results` is the file of the audit, of which everybody gets what is theirs. `on_refused`
    is called with the line about each contact of a host that gets no mail; it is among the lines as well.
    """
    if account is None:
        return (_UNASKED,) if should_notify(sections_of(upshot, Severity.MEDIUM), None) else ()
    outbox = upshot.journal.outbox
    before = deliver(outbox, account.posts, now)  # first: what nobody took counts as not told
    untold = upshot.journal.repairs_after(outbox.told_up_to())
    whole = replace(upshot, endings=(*upshot.endings, *_missed(upshot, untold, now)))
    told = last_told(outbox.states())
    telling = _Telling(whole, account, _sections(whole, account), told, results, now)
    readers, by_host_refused = _by_reader(telling, hands)
    telling = replace(telling, refused=by_host_refused)
    refused = tuple(one_line(line) for lines in by_host_refused.values() for line in lines)
    for line in refused:
        on_refused(line)
    errors: list[Exception] = []
    with outbox.telling(max((number for number, _, _ in untold), default=outbox.told_up_to())):
        written = [_written(telling, reader, mine, (outbox, errors)) for reader, mine in readers.items()]
    after = deliver(outbox, account.posts, now)
    for number in superseded(outbox.taken()):
        outbox.lost(number)
    unusable = (f"{address!r} of [mail] is no address" for address in account.unusable)
    said = (*unusable, *refused, *map(str, before), *filter(None, written), *map(str, after))
    if errors:
        errors[0].add_note("\n".join(said))
        raise errors[0]
    return tuple(map(one_line, said))


def _written(
    telling: _Telling, reader: Reader, mine: tuple[Section, ...], into: tuple[Outbox, list[Exception]]
) -> str:  # fmt: skip
    """Return a line about what was written to a reader; keep an exception of ours until every reader has theirs."""
    outbox, errors = into
    try:
        letter = _letter(telling, reader, mine)
        return _keep(telling, reader, letter, outbox) if letter else ""
    except Exception as error:  # noqa: BLE001 - the boundary of one reader: the others still get their mail
        errors.append(error)
        return f"no letter to {listing(reader)}: {type(error).__name__}: {error}"


def _sections(upshot: RunReport, account: Account) -> tuple[Section, ...]:
    return sections_of(upshot, account.fail_on, unknown_fails=account.unknown_fails)


def _missed(upshot: RunReport, untold: Iterable[tuple[int, Case, Outcome]], now: datetime) -> Iterator[CaseResult]:
    """Yield the repairs of runs that ended before they could tell of them; what is long ago is left at that."""
    ended = {ending.case.id for ending in upshot.endings}
    for _, case, outcome in untold:
        if case.id not in ended and now - outcome.at < _LONG_AGO:
            note = f"that was {moment(outcome.at)}, in a run that ended before it could tell"
            yield CaseResult(case, "proven", note=note)


def _by_reader(
    telling: _Telling, hands: Mapping[str, CommandRunner]
) -> tuple[Mapping[Reader, tuple[Section, ...]], Mapping[str, tuple[str, ...]]]:
    """Return who reads which sections, and by host a line about each contact that gets no mail.

    Who was told something before is told what became of it, if they still get mail.
    """
    account, policy = telling.account, telling.account.contacts
    if account.readers:
        return {account.readers: telling.sections}, {}
    worth = [one for one in telling.sections if any(not entry.is_minor for entry in one.entries)]
    asked = contacts((section.host for section in worth), hands, policy)
    earlier = {
        section.host: used
        for told in telling.told.values()
        for section in told.sections
        if (used := told.to if told.to == account.otherwise else policy.permit_again(section.host, told.to))
    }
    found = earlier | {host: permitted.used for host, permitted in asked.items()}
    grouped = dict(group_by_reader(worth, (), found, account.otherwise))
    refused = {host: permitted.refused for host, permitted in asked.items()}
    return dict.fromkeys(telling.told, ()) | grouped, refused


def _letter(telling: _Telling, reader: Reader, mine: Sequence[Section]) -> Letter | None:
    """Return what is to be told, None where nothing is news."""
    told = still_heard(telling.told.get(reader), telling.upshot)
    past = since(told, telling.sections, telling.upshot)
    shown = _merged((*mine, *past))
    state = should_notify(shown, state_digest(told.sections) if told else None)
    has_news = mine or any(entry.state == "recovered" for section in past for entry in section.entries)
    if state is None or not has_news:
        return None
    if state not in ("failed", "waiting"):  # all is well, but for what fails no run
        shown = _without_minor(shown)
    hosts = {section.host for section in shown}
    results = telling.results if telling.account.readers else excerpt(telling.results, hosts)
    files = (Attachment(RESULTS, results),) if results else ()
    remarks = tuple(line for host in sorted(hosts) for line in telling.refused.get(host, ()))
    return Letter(state, hosts_worst_first(shown), telling.account.run(telling.now), files, remarks)


def _merged(sections: Sequence[Section]) -> tuple[Section, ...]:
    return by_host((section.host, entry) for section in sections for entry in section.entries)


def _without_minor(sections: Sequence[Section]) -> tuple[Section, ...]:
    pairs = ((section.host, entry) for section in sections for entry in section.entries)
    return by_host((host, entry) for host, entry in pairs if not entry.is_minor)


def _keep(telling: _Telling, reader: Reader, letter: Letter, outbox: Outbox) -> str:
    """Keep a letter, without what must not be in one, until it is handed over; return a line about it."""
    account, refused = telling.account, list[str]()
    for version in _versions(letter):
        try:
            message = compose(version, account.sender, reader, secrets=account.secrets).as_bytes()
            number = outbox.keep(str(NotifiedState(reader, version.sections)), message, telling.now)
        except ValueError as error:
            refused.append(str(error))
        else:
            return "; ".join((f"letter {number} to {listing(reader)}: {subject(version)}", *refused))
    return f"no letter to {listing(reader)}: {'; '.join(refused)}"


def _versions(letter: Letter) -> Iterator[Letter]:
    """Yield a letter whole, then without its files, then without any text that others wrote."""
    yield letter
    bare = replace(letter, attachments=())
    if letter.attachments:
        yield bare
    pairs = ((section.host, _withheld(entry)) for section in letter.sections for entry in section.entries)
    yield replace(bare, sections=hosts_worst_first(by_host(pairs)), remarks=())


def _withheld(entry: ReportItem) -> ReportItem:
    return replace(entry, reason="(withheld: it would have held a secret; see the run's output)", tried="", happened="")
