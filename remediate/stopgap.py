"""Services of a panel that have no certificate of now, and for which none can be ordered: they are kept up meanwhile.

It knows for which reasons nothing is ordered, and which of them say nothing about what is installed.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator
from typing import Final

from remediate.case import Case
from remediate.placeholder import foretold, keep_up
from remediate.plan import Waiting
from remediate.site import Means, Site
from remediate.walk import Ending

_FINDING: Final = re.compile(r"\S+: (?P<check>(dcv|dns|host)\.[a-z0-9-]+): ")
_NO_ISSUER: Final = re.compile(r"no issuer is chosen")


def stopgaps(waiting: Iterable[Waiting], means: Means) -> Iterator[Ending]:
    """Have placeholders installed for cases that wait because nothing can be ordered; yield those it was done for."""
    for one in waiting:
        try:
            ending = _stopgap(one, means)
        except Exception:  # noqa: BLE001 - the boundary of one case: the others are still kept up
            ending = Ending(one.case, "failed", cause="run.bug", note=traceback.format_exc())
        if ending:
            yield ending


def _stopgap(one: Waiting, means: Means) -> Ending | None:
    cause = _cause(one)
    lines = tuple(keep_up(Site(one.case, means))) if cause and _may(one.case, means) else ()
    return Ending(one.case, "failed", cause=cause, note="\n".join((*one.because, *lines))) if lines else None


def foretold_for(waiting: Iterable[Waiting], means: Means) -> Iterator[tuple[Case, str]]:
    """Yield the services for which that would be done, as they were found, each with the case that waits."""
    for one in waiting:
        if _cause(one) and _may(one.case, means):
            yield from ((one.case, service) for service in foretold(Site(one.case, means)))


def _cause(waiting: Waiting) -> str:
    """Return the first reason, where all of them say that nothing can be ordered; an empty text else.

    By a wrong clock, or by what was seen long ago, a certificate may look expired that is not.
    """
    found = [_FINDING.match(clause) for clause in waiting.because]
    if all(match or _NO_ISSUER.match(clause) for match, clause in zip(found, waiting.because, strict=True)):
        return found[0]["check"] if found and found[0] else "issuer.none"
    return ""


def _may(case: Case, means: Means) -> bool:
    is_begun = any(one.id == case.id for one in means.journal.unfinished())
    return case.host in means.hands and case.host not in means.left_alone and not is_begun
