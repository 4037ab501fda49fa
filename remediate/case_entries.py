"""The cases of a run as entries of a letter: one for each certificate, for all services that use it.

It knows plans, endings and the journal; it refuses to know readers, and what was told before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from audit.text import listing, moment
from audit.verdict import Severity
from remediate.advice import advice
from remediate.case import VALIDATED, Case, Reason, Repair
from remediate.journal import Journal
from remediate.letter_parts import Entry, State
from remediate.plan import Waiting
from remediate.tried import Tried, as_last_tried
from remediate.upshot import Upshot
from remediate.walk import Ending

_STATES: Final[Mapping[str, State]] = {"proven": "repaired", "failed": "failed"}
_A_PERSONS: Final = ("ops.clock-skew", "host.unreachable")
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
_CLAUSES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"the audit did not finish|not all checks were run"), "plan.unfinished"),
    (re.compile(r"it is not known when it was observed|it was observed "), "plan.old-evidence"),
    (re.compile(r"no issuer is chosen"), "issuer.none"),
    (re.compile(r"the issuer that is chosen is the program of a cPanel"), "issuer.panel-only"),
    (re.compile(r"a run repairs at most"), "plan.max-cases"),
    (re.compile(r"\S+ would not load its configuration: "), "plan.unloadable"),
    (re.compile(r"\S+ leads to .* too, which is no host of this run"), "plan.elsewhere"),
    (re.compile(r"\S+ is served by \S+ too, where nothing is changed"), "plan.left-alone"),
)
_FINDING: Final = re.compile(r"\S+: (?P<check>[a-z]+\.[a-z0-9-]+): ")


def of_endings(upshot: Upshot) -> Iterator[tuple[str, Entry]]:
    """Yield what became of each case: those of the plan that no ending tells of were not begun."""
    ended = {ending.case.id for ending in upshot.endings}
    unbegun = (case for case in upshot.plan.cases if case.id not in ended)
    none = [Ending(case, "waiting", cause="run.not-begun", note="no repair was begun") for case in unbegun]
    for ending in (*upshot.endings, *none):
        yield ending.case.host, _of_ending(as_last_tried(ending, upshot.journal), upshot)


def _of_ending(tried: Tried, upshot: Upshot) -> Entry:
    still = [one for one in tried.case.reasons if upshot.is_found_again(one.endpoint, one.check)]
    state, cause, happened = _outcome(tried, still, upshot)
    return _of_case(
        tried.case,
        state=state,
        cause=cause,
        tried=_tried(tried, upshot.journal),
        happened=happened,
        to_do=advice(cause) if cause else "",
        next_try=None if state == "repaired" else tried.next_at,
    )


def _outcome(tried: Tried, still: Sequence[Reason], upshot: Upshot) -> tuple[State, str, str]:
    """Return the state of a case, the cause and what happened."""
    if still and tried.kind == "proven":
        found = "\n".join(f"{one.endpoint}: {one.check}: {one.message}" for one in still)
        return "failed", "proof.still-wrong", f"the repair is proven on the wire, and yet it is found again:\n{found}"
    if tried.kind == "proven":
        return "repaired", "", _proven(tried, upshot)
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


def _waiting(waiting: Waiting) -> Entry:
    causes = tuple(dict.fromkeys(cause_of(clause) for clause in waiting.because))
    return _of_case(
        waiting.case,
        state="waiting",
        cause=", ".join(sorted(causes)),
        happened="\n".join(waiting.because),
        to_do="\n".join(dict.fromkeys(map(advice, causes))),
    )


def cause_of(clause: str) -> str:
    """Return the stable word for why a case waits: the id of the check that says so, or one of our own."""
    if found := _FINDING.match(clause):
        return found["check"]
    return next((cause for pattern, cause in _CLAUSES if pattern.match(clause)), "plan.waiting")


def _of_case(case: Case, **told: object) -> Entry:
    """Return an entry about a certificate for all services that use it, its findings the worst first."""
    worst_first = sorted(case.reasons, key=lambda one: -Severity(one.severity).rank)
    messages = tuple(dict.fromkeys(one.message for one in worst_first))
    fields: dict[str, object] = {
        "service": ", ".join(case.services),
        "endpoint": ports(case.endpoints),
        "check": worst_first[0].check,
        "severity": Severity(worst_first[0].severity),
        "reason": "; ".join((*messages[:3], *([f"and {len(messages) - 3} more"] if len(messages) > 3 else []))),
        "findings": tuple(sorted(f"{one.endpoint} {one.check}" for one in case.reasons)),
    }
    return Entry(**(fields | told))  # type: ignore[arg-type]  # the fields of an entry by name


def ports(endpoints: Iterable[str]) -> str:
    """Return endpoints without the host, whose section it is."""
    short = (one.partition("/")[2] if "://" in one.partition("/")[2] else one for one in endpoints)
    return ", ".join(dict.fromkeys(short))
