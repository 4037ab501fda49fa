"""Combines the outcomes of one check for every distinct chain that an endpoint serves: the worst one decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from audit.evaluation.facts import Facts
from audit.evaluation.outcome import CheckOutcome
from audit.text import join_limited
from audit.verdict import Verdict

_WITH_PLACES: Final = (Verdict.FAIL, Verdict.INCONCLUSIVE)
_WORST_FIRST: Final = (Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS, Verdict.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class JudgedChain:
    """What a check raised for one chain, or None if it passed."""

    facts: Facts
    error: BaseException | None


def combined(
    judged: Sequence[JudgedChain], outcome_of: Callable[[BaseException | None], CheckOutcome]
) -> tuple[JudgedChain, CheckOutcome]:
    """Return the chain that decides the verdict, and the outcome over all chains.

    The message names the addresses unless every chain has the same message.
    """
    if len(judged) == 1:  # as most endpoints have
        return judged[0], outcome_of(judged[0].error)
    outcomes = [(chain, outcome_of(chain.error)) for chain in judged]
    decisive, worst = min(outcomes, key=lambda pair: _rank(pair[1]))
    if worst.verdict not in _WITH_PLACES or all(outcome.message == worst.message for _, outcome in outcomes):
        return decisive, worst
    places: dict[str, list[str]] = {}
    for chain, outcome in outcomes:
        if outcome.verdict is worst.verdict and chain.facts.served:
            places.setdefault(outcome.message, []).extend(chain.facts.served.places)
    message = "; ".join(f"at {join_limited(where)}: {why}" for why, where in places.items())
    chains = [_row(chain.facts, outcome) for chain, outcome in outcomes]
    return decisive, replace(worst, message=message, detail={**(worst.detail or {}), "chains": chains})


def _row(facts: Facts, outcome: CheckOutcome) -> dict[str, object]:
    places = facts.served.places if facts.served else ()
    return {"places": list(places), "verdict": outcome.verdict.value, "message": outcome.message}


def _rank(outcome: CheckOutcome) -> tuple[int, bool]:
    """Return the rank of an outcome, the worst first; one that follows from another finding counts less."""
    return _WORST_FIRST.index(outcome.verdict), outcome.because is not None
