"""Blocks a repair with a new key until matching TLSA records are published, and names the exact records.

Clients that use DANE see what no handshake shows. The records are looked up before a key is made. If there are any,
the key is made so that its record can be named, and nothing is ordered until that record is published.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from audit.probe import Limits
from audit.probe.deadline import Stopped
from audit.probe.dns.records import RecordSet, RecordType
from audit.text import duration, listing, sentence
from remediate.challenges.dns_lookup import LookUps
from remediate.execution.case_context import CaseContext
from remediate.execution.steps.base import StepBlocked
from remediate.model.case import Case
from remediate.model.causes import Cause
from remediate.planning import tlsa

_MOST_ALIASES: Final = 8
_MOST_SHOWN: Final = 4  # of the records that are there now


@dataclass(frozen=True, slots=True)
class BoundRecords:
    """The TLSA records for the names of a case, and whether no name server answered here at all."""

    records: tuple[RecordSet, ...]
    is_without_dns: bool = False


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """A case, and how its records are looked up.

    `own` are the addresses of its host; `may_serve_mail` is whether its certificate may be the one at port 25 there.
    """

    case: Case
    lookups: LookUps
    limits: Limits
    stop: threading.Event
    own: frozenset[str]
    may_serve_mail: bool


def bound_records(context: CaseContext) -> BoundRecords:
    """Return the TLSA records for a case that runs; raises StepBlocked as `records_of` does."""
    case, run = context.case, context.run
    at_25 = [name for name, target in context.host.targets.items() if target.endpoint.port == tlsa.SMTP_PORT]
    lookups, limits = run.network.lookups, run.network.limits
    return records_of(RecordQuery(case, lookups, limits, run.stop, context.host.addresses, is_mail_served(case, at_25)))


def is_mail_served(case: Case, at_25: Collection[str]) -> bool:
    """Return whether a case's certificate may be served at port 25 of its host, given the endpoints that are there.

    If the audit saw another certificate there, that one is not replaced.
    """
    return not at_25 or not set(case.endpoints).isdisjoint(at_25)


def records_of(query: RecordQuery) -> BoundRecords:
    """Return the TLSA records of every name and port of a case, and of each MX that leads to its host.

    Raises StepBlocked if any question has no answer: records may be there that cannot be seen now.
    """
    if not query.lookups.has_dns(query.limits):
        return BoundRecords((), is_without_dns=True)
    owners = (*tlsa.questions(query.case), *_of_aliases(query), *_of_mail(query))
    found = tuple(_ask(query, owner, "TLSA") for owner in dict.fromkeys(owners))
    return BoundRecords(tuple(one for one in found if one.status == "ok"))


def require_published(context: CaseContext, found: BoundRecords) -> None:
    """Raise StepBlocked until every record set matches the new key and the TTL of the old one has passed."""
    if context.csr is None:
        raise ValueError("the record of a key is named once the key exists")
    csr = context.csr.pem
    missing = [one for one in found.records if not tlsa.is_matched(one.records, csr)]
    if missing:
        raise StepBlocked(Cause.DNS_TLSA, sentence(tuple(_missing(missing, csr))), ended="interrupted")
    wait = max((timedelta(seconds=one.ttl_s) for one in found.records), default=timedelta(0))
    seen_at = _first_seen(context, context.csr.spki_sha256)
    left = wait if seen_at is None else seen_at + wait - context.now()
    if left > timedelta(0):
        why = (
            f"the record of the new key ({context.csr.spki_sha256}) is published; resolvers may hold the old records "
            f"for {duration(left)} more"
        )
        raise StepBlocked(
            Cause.DNS_TLSA_SPREADING, why, ended="interrupted", retry_after_s=left.total_seconds(),
            published_spki_sha256=context.csr.spki_sha256,
        )  # fmt: skip


def announce(found: BoundRecords) -> None:
    """Raise StepBlocked as a repair would once it has made the key: its record cannot be named before."""
    raise StepBlocked(Cause.DNS_TLSA, describe_records(found), ended="interrupted")


def describe_records(found: BoundRecords) -> str:
    """Return which records bind a case whose key is not made yet, and what a repair does then."""
    shown = listing(tuple(_shown(one) for one in found.records))
    return f"{shown}: the key is made, its record is named, and nothing is ordered until that is published"


def _missing(missing: list[RecordSet], csr: str) -> Iterator[str]:
    for one in missing:
        yield (
            f"{_shown(one)}, and no record there matches the new key. Publish beside the present ones: "
            f"{tlsa.record_of(one.name, csr)}"
        )


def _shown(one: RecordSet) -> str:
    more = f" and {len(one.records) - _MOST_SHOWN} more" if len(one.records) > _MOST_SHOWN else ""
    return f"{one.name} has TLSA {listing(tuple(map(_brief, one.records[:_MOST_SHOWN])))}{more}"


def _brief(record: str) -> str:
    """Return a record with the beginning of its data: a whole certificate may be in it."""
    return record if len(record) <= 75 else f"{record[:60]}…"


def _of_aliases(query: RecordQuery) -> Iterator[str]:
    """Yield the owners for where the names of a case are aliases for: clients ask there first (RFC 7671 7)."""
    ports = {owner.partition("._tcp.")[0] for owner in tlsa.questions(query.case)}
    for name in tlsa.dns_names(query.case):
        for alias in _aliases(query, name):
            yield from (f"{port}._tcp.{alias}" for port in sorted(ports))


def _aliases(query: RecordQuery, name: str) -> Iterator[str]:
    known = {name}
    for _ in range(_MOST_ALIASES):
        led = next(iter(_ask(query, name, "CNAME").records), "").rstrip(".").lower()
        if not led or led in known:
            return
        known.add(led)
        yield led
        name = led


def _of_mail(query: RecordQuery) -> Iterator[str]:
    """Yield the owners for the mail servers of the case's names that are its host."""
    if not query.may_serve_mail:
        return
    for name in tlsa.dns_names(query.case):
        for server in tlsa.mail_servers(_ask(query, name, "MX").records):
            if _leads_here(query, server):
                yield f"_{tlsa.SMTP_PORT}._tcp.{server}"


def _leads_here(query: RecordQuery, server: str) -> bool:
    """Return whether a name is one of the case, or leads to an address of its host."""
    if server in tlsa.dns_names(query.case):
        return True
    try:
        led = query.lookups.of(server, query.limits, query.stop)
    except Stopped:
        raise StepBlocked(Cause.RUN_STOPPED, f"stopped while {server} was looked up", ended="interrupted") from None
    if led.failure and led.failure.kind in ("servfail", "timeout"):
        why = f"{server} is an MX of the case's names, and its addresses are not known: {led.failure.detail}"
        raise StepBlocked(Cause.DNS_TLSA_UNANSWERED, why, ended="interrupted")
    return bool(query.own.intersection(led.addresses))


def _ask(query: RecordQuery, name: str, record_type: RecordType) -> RecordSet:
    try:
        found = query.lookups.records(name, record_type, query.limits, query.stop)
    except Stopped:
        raise StepBlocked(Cause.RUN_STOPPED, f"stopped while {name} was looked up", ended="interrupted") from None
    if found.status in ("servfail", "timeout"):
        why = f"whether {name} has {record_type} records could not be seen ({found.status}: {found.detail})"
        raise StepBlocked(Cause.DNS_TLSA_UNANSWERED, why, ended="interrupted")
    return found


def _first_seen(context: CaseContext, spki_sha256: str) -> datetime | None:
    """Return when the record of a key was first seen to be published; None if it was not seen before."""
    history = context.run.journal.history(context.case.id)
    return min((event.at for event in history if event.detail.published_spki_sha256 == spki_sha256), default=None)


def needs_key(context: CaseContext) -> bool:
    """Return whether a key is still to be made or used for an order."""
    return not context.orders.unused(context.case.id)
