"""The challenges that come with an order: each is recorded, presented by a solver, and removed afterwards.

Those that are known before an order is placed are in self_test.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from remediate.challenges import Solver
from remediate.execution.case_context import CaseContext
from remediate.execution.context import RunContext
from remediate.execution.preview import PreviewState, Remark
from remediate.execution.steps.base import StepBlocked, output_tail
from remediate.execution.steps.order import blocked
from remediate.issuers import Order
from remediate.model.authorization import Authorization, Challenge
from remediate.model.causes import Cause


def present_challenges(context: CaseContext, order: Order) -> None:
    """Present a challenge of each pending authorization, once in a run, and accept it; raises StepBlocked.

    Nothing is presented if an authorization has no challenge that a solver solves.
    """
    pending = [authorization for authorization in order.authorizations if authorization.status == "pending"]
    for challenge, solver in [_solvable(context, authorization) for authorization in pending]:
        if challenge not in context.presented:
            _present(context, challenge, solver)
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
        yield Remark(f"and afterwards: {solver.clean_up(challenge, None)}")
