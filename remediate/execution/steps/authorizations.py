"""The challenges that come with an order: each is recorded, presented by a solver, looked at, and removed afterwards.

Those that are known before an order is placed are in self_test.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from audit.endpoint import to_address
from audit.probe.deadline import Stopped
from audit.text import duration, join_limited
from remediate.challenges import ProbeResult, ProbeSettings, Solver
from remediate.execution.case_context import CaseContext
from remediate.execution.context import RunContext
from remediate.execution.preview import PreviewState, Remark
from remediate.execution.steps.base import StepBlocked, output_tail
from remediate.execution.steps.order import blocked
from remediate.execution.steps.self_test import lookup_of
from remediate.issuers import Order
from remediate.model.authorization import Authorization, Challenge
from remediate.model.causes import Cause

_MOST_SHOWN: Final = 8  # results in a message


def present_challenges(context: CaseContext, order: Order) -> None:
    """Present a challenge of each pending authorization, look at it as the CA will, and accept it; once in a run.

    Raises StepBlocked. Nothing is presented if an authorization has no challenge that a solver solves, and no
    validation is requested if one of them is not visible.
    """
    pending = [authorization for authorization in order.authorizations if authorization.status == "pending"]
    solvable = [_solvable(context, authorization) for authorization in pending]
    new = {challenge: solver for challenge, solver in solvable if challenge not in context.presented}
    for challenge, solver in new.items():
        _present(context, challenge, solver)
    for challenge, solver in new.items():
        _require_visible(context, challenge, solver)
    for challenge in new:
        _accept(context, challenge)
        context.presented.add(challenge)


def _solvable(context: CaseContext, authorization: Authorization) -> tuple[Challenge, Solver]:
    solvers = context.run.solvers
    challenge = next((challenge for challenge in authorization.challenges if challenge.type in solvers), None)
    if challenge:
        return challenge, solvers[challenge.type]
    issuer, types = context.issuer.name, ", ".join(challenge.type for challenge in authorization.challenges)
    if not types:
        raise StepBlocked(Cause.SOLVER_NONE, f"{issuer} offers no challenge for {authorization.identifier}")
    why = f"{issuer} requires {types} for {authorization.identifier}, and no [solver.NAME] solves that"
    raise StepBlocked(Cause.SOLVER_NONE, why)


def _present(context: CaseContext, challenge: Challenge, solver: Solver) -> None:
    context.run.journal.challenges.present(context.case.id, challenge, context.now())
    result = context.execute(solver.present(challenge, None))
    if not result.ok:
        why = f"{solver.location(challenge, None)} did not present {challenge}: {_reason(result.status)}"
        raise StepBlocked(Cause.SOLVER_FAILED, f"{why}: {output_tail(result)}")
    context.log(f"{solver.location(challenge, None)} has presented {challenge}")


def _require_visible(context: CaseContext, challenge: Challenge, solver: Solver) -> None:
    """Wait until a challenge is visible where the CA looks for it; raises StepBlocked if it is not in time.

    If that cannot be found out from here, the CA decides, and the notes say so.
    """
    results: list[ProbeResult] = []

    def is_visible() -> bool:
        results[:] = _look(context, challenge, solver)
        return not _bad(results)

    wait_s = context.run.timeouts.visible_s
    is_seen = context.wait_until(is_visible, wait_s, pause_s=wait_s / 12)
    for result in results:
        context.log("\n".join(filter(None, (result.command, str(result)))))
    if context.run.stop.is_set():
        raise _stopped(challenge)
    if not is_seen:
        raise _not_visible(context, solver.location(challenge, None), challenge, _bad(results))
    if not any(result.verdict == "good" for result in results):
        why = join_limited(results) or f"there is no self-test for {challenge.type}"
        context.seen = (*context.seen, f"{challenge} could not be looked at before the validation: {why}")
        context.log(context.seen[-1])


def _look(context: CaseContext, challenge: Challenge, solver: Solver) -> tuple[ProbeResult, ...]:
    """Return what the solver sees of a challenge; addresses are looked up for the types that need some."""
    run = context.run
    texts = partial(run.network.lookups.texts, limits=run.network.limits, stop=run.stop)
    settings = ProbeSettings(run.network.http_port, stop=run.stop, texts=texts)
    try:
        return solver.self_test(challenge, _addresses(context, challenge), settings)
    except Stopped:
        raise _stopped(challenge) from None


def _addresses(context: CaseContext, challenge: Challenge) -> tuple[str, ...]:
    if not challenge.type.startswith(("http-", "tls-")):
        return ()
    name = challenge.identifier
    return (name,) if to_address(name) else lookup_of(context, name).addresses


def _bad(results: Sequence[ProbeResult]) -> tuple[ProbeResult, ...]:
    return tuple(result for result in results if result.verdict not in ("good", "unseen"))


def _not_visible(
    context: CaseContext, location: str, challenge: Challenge, bad: tuple[ProbeResult, ...]
) -> StepBlocked:
    waited = duration(timedelta(seconds=context.run.timeouts.visible_s))
    why = f"{location} has presented {challenge}, but it is not visible after {waited}"
    lines = (f"{why}, so no validation by {context.issuer.name} was requested:", *map(str, bad[:_MOST_SHOWN]))
    return StepBlocked(Cause.SOLVER_NOT_VISIBLE, "\n".join(lines))


def _stopped(challenge: Challenge) -> StepBlocked:
    why = f"the run was stopped before {challenge} was seen"
    return StepBlocked(Cause.RUN_STOPPED, why, ended="interrupted")


def _accept(context: CaseContext, challenge: Challenge) -> None:
    fault = context.issuer.client.accept(challenge)
    if fault is not None:
        raise blocked(context, fault)


def _reason(status: int | None) -> str:
    return "it did not end by itself" if status is None else f"exit status {status}"


def remove_challenges(context: CaseContext) -> tuple[str, ...]:
    """Remove every challenge of a case that may still be presented, and return the failures."""
    challenges = context.run.journal.challenges.presented(context.case.id)
    return tuple(_removals(context.run, [(context.case.id, challenge) for challenge in challenges]))


def remove_left_over(run: RunContext) -> None:
    """Remove the challenges of cases that have ended, which an earlier run could not remove."""
    for failure in _removals(run, run.journal.challenges.left_over()):
        run.log(f"left behind: {failure}")


def _removals(run: RunContext, challenges: Iterable[tuple[str, Challenge]]) -> Iterator[str]:
    """Remove challenges, and yield why one was not removed; the next run tries again."""
    for case_id, challenge in challenges:
        solver = run.solvers.get(challenge.type)
        if solver is None:
            yield f"{challenge}: no [solver.NAME] solves that type any more"
            continue
        result = run.execute(solver.clean_up(challenge, None))
        if result.ok:
            run.journal.challenges.remove(case_id, challenge, run.clock())
        else:
            yield f"{challenge}: {output_tail(result)}"


def preview_challenges(state: PreviewState) -> Iterator[Remark]:
    """Yield what the solvers would run if the issuer requires a challenge, which is known only with the order."""
    for kind, solver in state.context.run.solvers.items():
        challenge = Challenge(kind, "<identifier>", "<token>", "<content>")
        yield Remark(f"if it requires a challenge of the type {kind}: {solver.present(challenge, None)}")
        yield Remark("then the challenge is looked at as the CA will, before the CA validates it")
        yield Remark(f"and afterwards: {solver.clean_up(challenge, None)}")
