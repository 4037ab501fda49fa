"""Blocks a repair with a new key until matching TLSA records are published, and names the exact records.

Clients that use DANE reject a certificate that no TLSA record matches. The records are looked up before a key is made.
If there are records, the key is made, its record is named, and nothing is ordered until that record is published.
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
from audit.text import duration, join_clauses, join_limited
from remediate.challenges.dns_lookup import LookUps
from remediate.execution.case_context import CaseContext
from remediate.execution.steps.base import StepBlocked
from remediate.model.case import Case
from remediate.model.causes import Cause
from remediate.planning import tlsa

_MOST_ALIASES: Final = 8
_MOST_SHOWN: Final = 4  # published records that a message names


@dataclass(frozen=True, slots=True)
class BoundRecords:
    """The TLSA records for the names of a case; `is_without_dns` if no name server responds here."""

    records: tuple[RecordSet, ...]
    is_without_dns: bool = False


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """A case, and the resolvers and limits for its records.

    `own_addresses` are those of its host. With `may_serve_mail` the host may serve the certificate at port 25.
    """

    case: Case
    lookups: LookUps
    limits: Limits
    stop: threading.Event
    own_addresses: frozenset[str]
    may_serve_mail: bool


def bound_records(context: CaseContext) -> BoundRecords:
    """Return the TLSA records for a case that runs; raises StepBlocked as `records_of` does."""
    case, run = context.case, context.run
    at_25 = [name for name, target in context.host.targets.items() if target.endpoint.port == tlsa.SMTP_PORT]
    lookups, limits = run.network.lookups, run.network.limits
    return records_of(RecordQuery(case, lookups, limits, run.stop, context.host.addresses, is_mail_served(case, at_25)))


def is_mail_served(case: Case, at_25: Collection[str]) -> bool:
    """Return whether the host may serve the case's certificate at port 25, given its endpoints at that port.

    If the audit saw another certificate at that port, that certificate is not replaced.
    """
    return not at_25 or not set(case.endpoints).isdisjoint(at_25)


def records_of(query: RecordQuery) -> BoundRecords:
    """Return the TLSA records of every name and port of a case, and of each MX that leads to its host.

    Raises StepBlocked if a query has no response, because there may be records that are not visible now.
    """
    if not query.lookups.has_dns(query.limits):
        return BoundRecords((), is_without_dns=True)
    owners = (*tlsa.questions(query.case), *_alias_owners(query), *_mail_owners(query))
    record_sets = (_resolve(query, owner, "TLSA") for owner in dict.fromkeys(owners))
    return BoundRecords(tuple(record_set for record_set in record_sets if record_set.status == "ok"))


def require_published(context: CaseContext, bound: BoundRecords) -> None:
    """Raise StepBlocked until every record set matches the new key and the TTL of the old one has passed."""
    if context.csr is None:
        raise ValueError("the record of a key is named once the key exists")
    csr = context.csr.pem
    unmatched = [record_set for record_set in bound.records if not tlsa.is_matched(record_set.records, csr)]
    if unmatched:
        raise StepBlocked(Cause.DNS_TLSA, join_clauses(tuple(_to_publish(unmatched, csr))), ended="interrupted")
    ttl = max((timedelta(seconds=record_set.ttl_s) for record_set in bound.records), default=timedelta(0))
    seen_at = _first_seen(context, context.csr.spki_sha256)
    remaining = ttl if seen_at is None else seen_at + ttl - context.now()
    if remaining > timedelta(0):
        why = (
            f"the record of the new key ({context.csr.spki_sha256}) is published; resolvers may hold the old records "
            f"for {duration(remaining)} more"
        )
        raise StepBlocked(
            Cause.DNS_TLSA_SPREADING, why, ended="interrupted", retry_after_s=remaining.total_seconds(),
            published_spki_sha256=context.csr.spki_sha256,
        )  # fmt: skip


def announce(bound: BoundRecords) -> None:
    """Raise StepBlocked as a repair does after it has made the key; before that the new record cannot be named."""
    raise StepBlocked(Cause.DNS_TLSA, describe_records(bound), ended="interrupted")


def describe_records(bound: BoundRecords) -> str:
    """Return which records bind a case without a new key, and what a repair will do."""
    summary = join_limited(tuple(map(_summary, bound.records)))
    return f"{summary}: the key is made, its record is named, and nothing is ordered until that is published"


def _to_publish(unmatched: list[RecordSet], csr: str) -> Iterator[str]:
    for record_set in unmatched:
        yield (
            f"{_summary(record_set)}, and no record there matches the new key. Publish beside the present ones: "
            f"{tlsa.record_of(record_set.name, csr)}"
        )


def _summary(record_set: RecordSet) -> str:
    records = record_set.records
    more = f" and {len(records) - _MOST_SHOWN} more" if len(records) > _MOST_SHOWN else ""
    return f"{record_set.name} has TLSA {join_limited(tuple(map(_brief, records[:_MOST_SHOWN])))}{more}"


def _brief(record: str) -> str:
    """Return a record, shortened if it is long, because its data may be a whole certificate."""
    return record if len(record) <= 75 else f"{record[:60]}…"


def _alias_owners(query: RecordQuery) -> Iterator[str]:
    """Yield the owner names under the alias targets of a case's names; clients query these first (RFC 7671 7)."""
    ports = {owner.partition("._tcp.")[0] for owner in tlsa.questions(query.case)}
    for name in tlsa.dns_names(query.case):
        for alias in _aliases(query, name):
            yield from (f"{port}._tcp.{alias}" for port in sorted(ports))


def _aliases(query: RecordQuery, name: str) -> Iterator[str]:
    visited = {name}
    for _ in range(_MOST_ALIASES):
        target = next(iter(_resolve(query, name, "CNAME").records), "").rstrip(".").lower()
        if not target or target in visited:
            return
        visited.add(target)
        yield target
        name = target


def _mail_owners(query: RecordQuery) -> Iterator[str]:
    """Yield the owner names of the MX of the case's names that lead to its host."""
    if not query.may_serve_mail:
        return
    for name in tlsa.dns_names(query.case):
        for server in tlsa.mail_servers(_resolve(query, name, "MX").records):
            if _leads_here(query, server):
                yield f"_{tlsa.SMTP_PORT}._tcp.{server}"


def _leads_here(query: RecordQuery, server: str) -> bool:
    """Return whether a name belongs to the case, or leads to an address of its host."""
    if server in tlsa.dns_names(query.case):
        return True
    try:
        lookup = query.lookups.of(server, query.limits, query.stop)
    except Stopped:
        raise StepBlocked(Cause.RUN_STOPPED, f"stopped while {server} was looked up", ended="interrupted") from None
    if lookup.failure and lookup.failure.kind in ("servfail", "timeout"):
        why = f"{server} is an MX of the case's names, and its addresses are not known: {lookup.failure.detail}"
        raise StepBlocked(Cause.DNS_TLSA_UNANSWERED, why, ended="interrupted")
    return bool(query.own_addresses.intersection(lookup.addresses))


def _resolve(query: RecordQuery, name: str, record_type: RecordType) -> RecordSet:
    try:
        record_set = query.lookups.records(name, record_type, query.limits, query.stop)
    except Stopped:
        raise StepBlocked(Cause.RUN_STOPPED, f"stopped while {name} was looked up", ended="interrupted") from None
    if record_set.status in ("servfail", "timeout"):
        fault = f"{record_set.status}: {record_set.detail}"
        why = f"whether {name} has {record_type} records is unknown ({fault})"
        raise StepBlocked(Cause.DNS_TLSA_UNANSWERED, why, ended="interrupted")
    return record_set


def _first_seen(context: CaseContext, spki_sha256: str) -> datetime | None:
    """Return when the record of a key was first seen in DNS; None if it was not seen before."""
    history = context.run.journal.history(context.case.id)
    return min((event.at for event in history if event.detail.published_spki_sha256 == spki_sha256), default=None)


def needs_key(context: CaseContext) -> bool:
    """Return whether a key is still to be made or used for an order."""
    return not context.orders.unused(context.case.id)
