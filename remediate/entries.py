"""What a run came to, as the sections of a letter: one a host, an entry for each certificate and for each finding else.

It knows what is told and what is not; it refuses to know readers, and what was told before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Final

from audit.result import Result
from audit.verdict import Severity, Verdict
from remediate.case_entries import of_endings, of_waiting, ports
from remediate.letter_parts import Entry, Section
from remediate.model.case import FindingKey
from remediate.model.causes import Cause
from remediate.model.plan import Explained, Kind
from remediate.planning.fleet import is_silenced
from remediate.upshot import Upshot, host_of

_SILENT: Final[tuple[Kind, ...]] = ("well", "waived", "note")
_WRONG: Final = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR)


def sections_of(upshot: Upshot, level: Severity, *, unknown_fails: bool = True) -> tuple[Section, ...]:
    """Return one section for each host that there is something to tell about, by name.

    What is below the level that fails a run, and that nothing was tried about, is minor: told beside others, and never
    a reason to write, as a run that passes is no news.
    """
    pairs = (*of_endings(upshot), *of_waiting(upshot), *_of_explained(upshot))
    return by_host(
        (host, replace(entry, is_minor=_is_minor(entry, level, unknown_fails=unknown_fails)))
        for host, entry in pairs
        if entry.causes != (Cause.HOST_SWITCHED_OFF,)
        or not all(is_silent(finding, upshot) for finding in entry.findings)
    )


def is_silent(finding: FindingKey, upshot: Upshot) -> bool:
    """Tell whether its administrator has switched off, on a host, notices about such a finding."""
    return is_silenced(finding.endpoint, finding.check, upshot.before)


def by_host(pairs: Iterable[tuple[str, Entry]]) -> tuple[Section, ...]:
    """Return entries in sections, the hosts by name."""
    ordered = sorted(pairs, key=lambda pair: pair[0])
    grouped = groupby(ordered, key=lambda pair: pair[0])
    return tuple(Section(host, tuple(entry for _, entry in mine)) for host, mine in grouped)


def _is_minor(entry: Entry, level: Severity, *, unknown_fails: bool) -> bool:
    is_unknown = entry.causes == (Cause.PLAN_UNKNOWN,) and not unknown_fails
    return is_unknown or (entry.severity.rank < level.rank and not entry.tried)


def _of_explained(upshot: Upshot) -> Iterator[tuple[str, Entry]]:
    """Yield what is wrong and somebody else's to mend, the endpoints of one service together."""
    told = [pair for one in upshot.plan.explained if (pair := _told(one, upshot))]
    for (host, service, check, kind, _), pairs in groupby(sorted(told, key=_same), key=_same):
        mine = list(pairs)
        (one, result), cause = mine[0], Cause(f"plan.{kind}")
        endpoints = tuple(explained.endpoint for explained, _ in mine)
        yield (
            host,
            Entry(
                state="failed",
                services=(service,) if service else (),
                endpoint=ports(endpoints),
                check=check,
                reason=one.message,
                severity=result.severity,
                causes=(cause,),
                happened=one.why,
                to_do=cause.advice,
                findings=tuple(FindingKey(endpoint, check) for endpoint in endpoints),
            ),
        )


def _same(told: tuple[Explained, Result]) -> tuple[str, str, str, str, str]:
    one, result = told
    return host_of(one.endpoint), result.service or "", result.check, one.kind, one.message


def _told(one: Explained, upshot: Upshot) -> tuple[Explained, Result] | None:
    """Return what is told of an explanation with its finding; None where it is well, or follows from another."""
    result = upshot.found(one.endpoint, one.check)
    if one.kind in _SILENT or result is None or "because" in result.detail:
        return None
    now = upshot.verdict(one.endpoint, result.check)
    is_told = now in _WRONG and not is_silenced(one.endpoint, result.check, upshot.before)
    return (one, result) if is_told else None
