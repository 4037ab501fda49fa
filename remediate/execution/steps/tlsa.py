"""No key is replaced under a TLSA record that does not match it: the case waits with the exact record to publish.

Clients that use DANE see what no handshake shows. The questions are asked before a key is made; if any of them is
answered by records, the key is made so that its record can be named, and nothing is ordered until that is published.
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
class Bound:
    """The TLSA records that bind a case, and whether no name server answered here at all."""

    records: tuple[RecordSet, ...]
    is_without_dns: bool = False


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A case, and by whom its records are looked up.

    `own` are the addresses of its host; `may_serve_mail` is whether its certificate may be the one at port 25 there.
    """

    case: Case
    lookups: LookUps
    limits: Limits
    stop: threading.Event
    own: frozenset[str]
    may_serve_mail: bool


def bound(context: CaseContext) -> Bound:
    """Return the TLSA records that bind a case at work; raises Stuck as `bound_by` does."""
    case, run = context.case, context.run
    at_25 = [name for name, target in context.host.targets.items() if target.endpoint.port == tlsa.SMTP_PORT]
    lookups, limits = run.network.lookups, run.network.limits
    return bound_by(Inquiry(case, lookups, limits, run.stop, context.host.addresses, is_mail_served(case, at_25)))


def is_mail_served(case: Case, at_25: Collection[str]) -> bool:
    """Return whether a case's certificate may be served at port 25 of its host, given the endpoints that are there.

    If the audit saw another certificate there, that one is not replaced.
    """
    return not at_25 or not set(case.endpoints).isdisjoint(at_25)


def bound_by(inquiry: Inquiry) -> Bound:
    """Return the TLSA records of every name and port of a case, and of each MX that leads to its host.

    Raises Stuck if any question has no answer: records may be there that cannot be seen now.
    """
    if not inquiry.lookups.has_dns(inquiry.limits):
        return Bound((), is_without_dns=True)
    owners = (*tlsa.questions(inquiry.case), *_of_aliases(inquiry), *_of_mail(inquiry))
    found = tuple(_ask(inquiry, owner, "TLSA") for owner in dict.fromkeys(owners))
    return Bound(tuple(one for one in found if one.status == "ok"))


def require_published(context: CaseContext, found: Bound) -> None:
    """Raise Stuck until every set of records has one that matches the new key, and caches have had time to see it."""
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


def announce(found: Bound) -> None:
    """Raise Stuck as a repair would once it has made the key: its record cannot be named before."""
    raise StepBlocked(Cause.DNS_TLSA, announced(found), ended="interrupted")


def announced(found: Bound) -> str:
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


def _of_aliases(inquiry: Inquiry) -> Iterator[str]:
    """Yield the owners for where the names of a case are aliases for: clients ask there first (RFC 7671 7)."""
    ports = {owner.partition("._tcp.")[0] for owner in tlsa.questions(inquiry.case)}
    for name in tlsa.dns_names(inquiry.case):
        for alias in _aliases(inquiry, name):
            yield from (f"{port}._tcp.{alias}" for port in sorted(ports))


def _aliases(inquiry: Inquiry, name: str) -> Iterator[str]:
    known = {name}
    for _ in range(_MOST_ALIASES):
        led = next(iter(_ask(inquiry, name, "CNAME").records), "").rstrip(".").lower()
        if not led or led in known:
            return
        known.add(led)
        yield led
        name = led


def _of_mail(inquiry: Inquiry) -> Iterator[str]:
    """Yield the owners for the mail servers of the case's names that are its host."""
    if not inquiry.may_serve_mail:
        return
    for name in tlsa.dns_names(inquiry.case):
        for server in tlsa.mail_servers(_ask(inquiry, name, "MX").records):
            if _leads_here(inquiry, server):
                yield f"_{tlsa.SMTP_PORT}._tcp.{server}"


def _leads_here(inquiry: Inquiry, server: str) -> bool:
    """Return whether a name is one of the case, or leads to an address of its host."""
    if server in tlsa.dns_names(inquiry.case):
        return True
    try:
        led = inquiry.lookups.of(server, inquiry.limits, inquiry.stop)
    except Stopped:
        raise StepBlocked(Cause.RUN_STOPPED, f"stopped while {server} was looked up", ended="interrupted") from None
    if led.failure and led.failure.kind in ("servfail", "timeout"):
        why = f"{server} is an MX of the case's names, and its addresses are not known: {led.failure.detail}"
        raise StepBlocked(Cause.DNS_TLSA_UNANSWERED, why, ended="interrupted")
    return bool(inquiry.own.intersection(led.addresses))


def _ask(inquiry: Inquiry, name: str, record_type: RecordType) -> RecordSet:
    try:
        found = inquiry.lookups.records(name, record_type, inquiry.limits, inquiry.stop)
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


def is_asked_for(context: CaseContext) -> bool:
    """Return whether a key is still to be made or ordered with."""
    return not context.orders.unused(context.case.id)
