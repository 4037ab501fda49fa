"""What browsers require of the SCTs that they receive with a certificate, by the date of its issue."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from audit.x509.lint import day
from audit.x509.raw import POISON, RawCertificate
from audit.x509.transparency.log_list import LogList
from audit.x509.transparency.sct import Sct

FIRST_ISSUED: Final = day(2018, 10, 15)
BY_DAYS: Final = day(2021, 4, 21)  # from here on browsers count the days of the validity, not the months
DELIVERED: Final = 2  # logs, if an SCT is not embedded
OPERATORS: Final = 2


def embedded_required(raw: RawCertificate) -> int | None:
    """Return of how many logs SCTs must be embedded; None if browsers require none. Raises ValueError."""
    if raw.not_before < FIRST_ISSUED or raw.is_ca or POISON in raw.extensions:
        return None
    if raw.not_before >= BY_DAYS:
        return 2 if raw.lifetime <= timedelta(days=180) else 3
    steps = (_months_after(raw.not_before, months) for months in (15, 27, 39))
    return 2 + sum(raw.not_after >= step for step in steps)


def _months_after(start: datetime, months: int) -> datetime:
    """Return the same day of a later month; a day that this month lacks counts on into the next."""
    years, month = divmod(start.month - 1 + months, 12)
    return start.replace(year=start.year + years, month=month + 1, day=1) + timedelta(days=start.day - 1)


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why the SCTs of a certificate are too few; `may_be_newer` if a log that the list does not have could count."""

    reason: str
    may_be_newer: bool = False


def shortage_by_count(scts: Sequence[Sct], required: int, now: datetime) -> Shortage | None:
    """Return why the SCTs are too few by their logs and times alone: without a list no signature can be verified."""
    counted = [sct for sct in scts if sct.is_before(now)]
    embedded, logs = {sct.log_id for sct in counted if sct.is_embedded}, {sct.log_id for sct in counted}
    is_delivered = any(not sct.is_embedded for sct in counted)
    if len(embedded) >= required or (is_delivered and len(logs) >= DELIVERED):
        return None
    ignored = tuple(_in_the_future(sct) for sct in scts if sct not in counted)
    seen = f"it has SCTs of {_count(len(logs))}; browsers require {DELIVERED if is_delivered else required}"
    return Shortage("; ".join((seen, *ignored, "without a log list no signature was verified")))


@dataclass(frozen=True, slots=True)
class VerifiedSct:
    """An SCT with what the list has of its log: `fault` is why browsers do not count it, empty if they do.

    `is_current`: browsers accept the log now, not only what it issued before it retired.
    """

    sct: Sct
    operator: str = ""
    is_current: bool = False
    fault: str = ""
    may_be_newer: bool = False  # the list does not have the log, and is older than the SCT


def verify_sct(sct: Sct, logs: LogList, now: datetime, is_signed: Callable[[Sct], bool]) -> VerifiedSct:
    """Return what an SCT counts for; `is_signed` returns whether its log made the signature."""
    log = logs.logs.get(sct.log_id)
    if not sct.is_before(now):
        return VerifiedSct(sct, fault=_in_the_future(sct))
    if log is None:
        return VerifiedSct(sct, fault=f"{sct} is of a log that the list does not have",
                           may_be_newer=not sct.is_before(logs.issued))  # fmt: skip
    if not is_signed(sct):
        return VerifiedSct(sct, fault=f"{sct} ({log.description}) does not have the log's signature")
    current = log.is_current(now)
    if not current and not (sct.is_embedded and log.was_current(sct)):
        since = f" since {log.since:%Y-%m-%d}" if log.since else ""
        return VerifiedSct(sct, fault=f"{sct} ({log.description}) is of a log that is {log.state}{since}")
    return VerifiedSct(sct, log.operator_of(sct), current)


def shortage_of_verified(verified: Collection[VerifiedSct], required: int) -> Shortage | None:
    """Return why the verified SCTs are not enough for browsers."""
    counted = [checked for checked in verified if not checked.fault]
    embedded = [checked for checked in counted if checked.sct.is_embedded]
    current = [checked for checked in counted if checked.is_current]
    is_delivered = any(not checked.sct.is_embedded for checked in current)
    lacking = tuple(_lacking(current, DELIVERED) if is_delivered else _lacking(embedded, required))
    if not lacking or not tuple(_lacking(embedded, required)):
        return None
    faults = tuple(checked.fault for checked in verified if checked.fault)
    return Shortage("; ".join((*lacking, *faults)), any(checked.may_be_newer for checked in verified))


def _lacking(counted: Sequence[VerifiedSct], required: int) -> Iterator[str]:
    """Yield what browsers miss in SCTs that count: logs, operators, a log that they accept now."""
    logs, operators = {checked.sct.log_id for checked in counted}, {checked.operator for checked in counted}
    if len(logs) < required:
        yield f"it has valid SCTs of {_count(len(logs))}; browsers require {required}"
    elif len(operators) < OPERATORS:
        yield f"all its logs are of one operator, {min(operators)}; browsers require {OPERATORS}"
    elif not any(checked.is_current for checked in counted):
        yield "none of its logs is accepted any more; browsers require one that is"


def _count(logs: int) -> str:
    return "1 log" if logs == 1 else f"{logs} logs"


def _in_the_future(sct: Sct) -> str:
    return f"{sct} is dated in the future"
