"""The cases of a run as entries of a letter: one for each certificate, for all services that use it.

It knows plans, endings and the journal; it refuses to know readers, and what was told before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from audit.text import listing, moment
from audit.verdict import Severity
from remediate.letter_parts import Entry, State
from remediate.model.case import VALIDATED, Case, Reason, Repair
from remediate.model.causes import Cause
from remediate.model.outcome import Ending
from remediate.model.plan import WaitingCase
from remediate.state.journal import Journal
from remediate.tried import Tried, as_last_tried
from remediate.upshot import Upshot

_STATES: Final[Mapping[str, State]] = {"proven": "repaired", "failed": "failed"}
_A_PERSONS: Final = (Cause.OPS_CLOCK_SKEW, Cause.HOST_UNREACHABLE)
"""Causes that interrupt a case and that the next run will meet again, unless a person does something."""
_WHAT: Final[Mapping[Repair, str]] = {
    Repair.REKEY: "a new certificate with a new key",
    Repair.REISSUE: "a new certificate",
    Repair.RUN_OWNER: "the renewal of the agent that owns the certificate",
    Repair.RECHAIN: "the intermediates that are missing",
    Repair.RELOAD: "a reload of the service",
    Repair.HOST: "owner and mode of the key files",
}
_PANELS: Final = "a run of the panel's own program, which orders and installs the certificate itself"


def of_endings(upshot: Upshot) -> Iterator[tuple[str, Entry]]:
    """Yield what became of each case: those of the plan that no ending tells of were not begun."""
    ended = {ending.case.id for ending in upshot.endings}
    unbegun = (case for case in upshot.plan.cases if case.id not in ended)
    none = [Ending(case, "waiting", cause=Cause.RUN_NOT_BEGUN, note="no repair was begun") for case in unbegun]
    for ending in (*upshot.endings, *none):
        yield ending.case.host, _of_ending(as_last_tried(ending, upshot.journal), upshot)


def _of_ending(tried: Tried, upshot: Upshot) -> Entry:
    still = [one for one in tried.case.reasons if upshot.is_found_again(one.endpoint, one.check)]
    state, cause, happened = _outcome(tried, still, upshot)
    return _of_case(
        tried.case,
        state=state,
        causes=(cause,) if cause else (),
        tried=_tried(tried, upshot.journal),
        happened=happened,
        to_do=cause.advice if cause else "",
        next_try=None if state == "repaired" else tried.next_at,
    )


def _outcome(tried: Tried, still: Sequence[Reason], upshot: Upshot) -> tuple[State, Cause | None, str]:
    """Return the state of a case, the cause and what happened."""
    if still and tried.kind == "proven":
        found = "\n".join(f"{one.endpoint}: {one.check}: {one.message}" for one in still)
        return (
            "failed",
            Cause.PROOF_STILL_WRONG,
            f"the repair is proven on the wire, and yet it is found again:\n{found}",
        )
    if tried.kind == "proven":
        return "repaired", None, _proven(tried, upshot)
    state = _STATES.get(tried.kind, "failed" if tried.cause in _A_PERSONS else "waiting")
    return state, tried.cause, tried.note


def _proven(tried: Tried, upshot: Upshot) -> str:
    """Return what is so now, and which names got lost on the way: never in silence."""
    seen = upshot.after.seen if upshot.after else {}
    ends = [one.not_after for endpoint in tried.case.endpoints if (one := seen.get(endpoint)) and one.not_after]
    until = f"; the certificate is valid until {moment(min(ends))}" if ends else ""
    lost = [f"{one.name} is not in it any more: {one.why}" for one in tried.case.left_out]
    return "\n".join((f"it is proven on every address{until}", *filter(None, [tried.note]), *lost))


def _tried(tried: Tried, journal: Journal) -> str:
    """Return what was tried, how far it came, and the order's number, by which the issuer can be asked."""
    begun = journal.case(tried.case.id)
    if begun is None or (tried.kind != "proven" and _was_repaired(begun, journal)):
        return ""
    placed = journal.ledger.orders(begun.id) if begun.repair in VALIDATED else ()
    order = f" (order {placed[-1].order_id} at {placed[-1].issuer})" if placed and placed[-1].order_id else ""
    kinds = dict.fromkeys(step.kind for step in begun.steps if step.state == "done")
    far = f"; done: {', '.join(kinds)}" if kinds and tried.kind != "proven" else ""
    stopped = f"; stopped at: {tried.step}" if tried.step and tried.kind != "proven" else ""
    names = f" for {listing(begun.names)}" if begun.repair in VALIDATED else ""
    is_panels = begun.is_panel and begun.repair is Repair.RUN_OWNER
    return f"{_PANELS if is_panels else _WHAT[begun.repair]}{names}{order}{far}{stopped}"


def _was_repaired(case: Case, journal: Journal) -> bool:
    """Tell whether what the journal has of a case is an earlier repair of it: a panel's is the same for all years."""
    outcome = journal.outcome(case.id)
    return bool(outcome and outcome.kind == "repaired") and all(one.id != case.id for one in journal.unfinished())


def of_waiting(upshot: Upshot) -> Iterator[tuple[str, Entry]]:
    """Yield what is to wait, but for what an earlier run had begun already."""
    ended = {ending.case.id for ending in upshot.endings}
    for waiting in upshot.plan.waiting:
        if waiting.case.id not in ended:
            yield waiting.case.host, _waiting(waiting)


def _waiting(waiting: WaitingCase) -> Entry:
    causes = tuple(dict.fromkeys(blocker.cause for blocker in waiting.blocked_by))
    return _of_case(
        waiting.case,
        state="waiting",
        causes=tuple(sorted(causes)),
        happened="\n".join(blocker.text for blocker in waiting.blocked_by),
        to_do="\n".join(dict.fromkeys(cause.advice for cause in causes)),
    )


def _of_case(case: Case, **told: object) -> Entry:
    """Return an entry about a certificate for all services that use it, its findings the worst first."""
    worst_first = sorted(case.reasons, key=lambda one: -Severity(one.severity).rank)
    messages = tuple(dict.fromkeys(one.message for one in worst_first))
    fields: dict[str, object] = {
        "services": case.services,
        "endpoint": ports(case.endpoints),
        "check": worst_first[0].check,
        "severity": Severity(worst_first[0].severity),
        "reason": "; ".join((*messages[:3], *([f"and {len(messages) - 3} more"] if len(messages) > 3 else []))),
        "findings": tuple(sorted(one.key for one in case.reasons)),
    }
    return Entry(**(fields | told))  # type: ignore[arg-type]  # the fields of an entry by name


def ports(endpoints: Iterable[str]) -> str:
    """Return endpoints without the host, whose section it is."""
    short = (one.partition("/")[2] if "://" in one.partition("/")[2] else one for one in endpoints)
    return ", ".join(dict.fromkeys(short))
