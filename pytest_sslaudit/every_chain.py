"""Judges a test once for every distinct chain that an endpoint serves; the worst verdict is the verdict of the test.

A test that asks for `certificate` or `chain`, itself or through a fixture, is called once for each chain, with all of
its fixtures set up anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pytest

from audit.endpoint import Endpoint
from audit.text import listing
from audit.verdict import Verdict
from pytest_sslaudit.facts import Facts
from pytest_sslaudit.outcome import Ending
from pytest_sslaudit.run_state import Run

OF_ONE_CHAIN: Final = frozenset({"certificate", "chain"})
_FACTS: Final = "sslaudit_facts"
_NAMED: Final = (Verdict.FAIL, Verdict.INCONCLUSIVE)
_WORST_FIRST: Final = (Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS, Verdict.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a test raised for one chain, or None."""

    facts: Facts
    error: BaseException | None


JUDGED: Final = pytest.StashKey[tuple[Judged, ...]]()


def chains_to_judge(item: pytest.Function, run: Run, endpoint: Endpoint | None) -> tuple[Facts, ...]:
    """Return the facts of every chain of an endpoint if a test asks for a chain, else nothing."""
    if endpoint is None or not OF_ONE_CHAIN & set(item.fixturenames):
        return ()
    return run.facts_of(endpoint).of_each_chain


def judge_each(
    item: pytest.Function, run: Run, chains: Sequence[Facts], prepare: Callable[[], None]
) -> tuple[Judged, ...]:
    """Call a test for each chain; keep and return what it raised. `prepare` is called before each, and may raise."""
    main = run.facts_of(chains[0].endpoint)
    try:
        judged = tuple(Judged(facts, _error(item, run, facts, prepare)) for facts in chains)
    finally:
        run.judge_facts(main)
        _forget_facts(item)
    item.stash[JUDGED] = judged
    return judged


def _error(item: pytest.Function, run: Run, facts: Facts, prepare: Callable[[], None]) -> BaseException | None:
    """Return what a test raises for one chain; its fixtures are set up anew."""
    run.judge_facts(facts)
    _forget_facts(item)
    item._initrequest()  # noqa: SLF001 - what pytest itself does before it sets up a test
    try:
        item.setup()
        prepare()
        item.obj(**{name: item.funcargs[name] for name in item._fixtureinfo.argnames})  # noqa: SLF001 - as pytest does
    except (KeyboardInterrupt, pytest.exit.Exception):
        raise
    except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:  # noqa: BLE001 - every end is a verdict
        return error
    return None


def _forget_facts(item: pytest.Function) -> None:
    """Drop the cached facts, and with them every fixture that was set up from them."""
    for definition in item._fixtureinfo.name2fixturedefs.get(_FACTS, ()):  # noqa: SLF001 - pytest has no public way
        definition.finish(item._request)  # type: ignore[arg-type]  # noqa: SLF001 - any request: for its hooks only


def combined(judged: Sequence[Judged], ending_of: Callable[[BaseException | None], Ending]) -> tuple[Judged, Ending]:
    """Return the verdict over all chains, and what was judged of the chain that decided it.

    The message names the addresses unless every chain ended in the same way.
    """
    endings = [(one, ending_of(one.error)) for one in judged]
    decisive, worst = min(endings, key=lambda pair: _rank(pair[1]))
    if worst.verdict not in _NAMED or all(ending.message == worst.message for _, ending in endings):
        return decisive, worst
    places: dict[str, list[str]] = {}
    for one, ending in endings:
        if ending.verdict is worst.verdict and one.facts.served:
            places.setdefault(ending.message, []).extend(one.facts.served.places)
    message = "; ".join(f"at {listing(where)}: {why}" for why, where in places.items())
    chains = [_row(one.facts, ending) for one, ending in endings]
    return decisive, replace(worst, message=message, detail={**(worst.detail or {}), "chains": chains})


def _row(facts: Facts, ending: Ending) -> dict[str, object]:
    places = facts.served.places if facts.served else ()
    return {"places": list(places), "verdict": ending.verdict.value, "message": ending.message}


def _rank(ending: Ending) -> tuple[int, bool]:
    """Return where an ending stands, the worst first; one that follows from another finding counts less."""
    return _WORST_FIRST.index(ending.verdict), ending.because is not None
