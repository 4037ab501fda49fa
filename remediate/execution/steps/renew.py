"""The step `renew`: the agent that owns the certificate has renewed it, as the files on disk tell.

It knows before and after; how the agent is run is known elsewhere. What an agent says of its success is not believed.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit.text import listing
from audit.x509.certificate import Certificate
from remediate.execution.case_context import CaseContext, NotFoundOnHost
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.access_log_notes import visits_since
from remediate.execution.steps.base import Satisfied, StepBlocked, interruption, said
from remediate.execution.steps.installed_certificates import leaves_on_disk
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.renewal_agents import OWNERS, RenewalAgent, renewal_command
from remediate.hosts.workdir import BUSY
from remediate.model.causes import Cause


class Renew:
    """An agent whose renewal changes nothing has failed, whatever its exit status."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return that every file holds another certificate than before, and one of now."""
        del subject  # it is for the whole case
        context.on_disk = None
        leaves = leaves_on_disk(context)
        paths = _paths(context)
        if not all(path in leaves and _is_renewed(context, leaves[path]) for path in paths):
            return None
        renewed = f"{_owner(context).name} has renewed {listing(sorted({leaves[path].sha256[:16] for path in paths}))}"
        return Satisfied(renewed, context.visits)

    def apply(self, context: CaseContext, subject: str) -> None:
        """Run the renewal, and wait where it goes on behind our back; a panel's CA may be seen in the access log."""
        began = context.now()
        result = context.execute(renewal(context))
        if result.status in (None, BUSY):
            raise interruption(context, result)
        if not result.ok:
            raise StepBlocked(Cause.OWNER_NOT_RUN, f"the renewal of {_owner(context).name} was not run: {said(result)}")
        context.wait_until(lambda: self.check(context, subject) is not None, _owner(context).settles_s)
        context.visits = visits_since(context, began) if context.case.is_panel else ()
        if self.check(context, subject) is None:
            why = f"{_owner(context).name} left {_left(context)}; {_said(result)}"
            raise StepBlocked(Cause.OWNER_UNCHANGED, "\n".join((why, *context.visits)))

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the agent's renewal."""
        del subject
        yield renewal(state.context)


def renewal(context: CaseContext) -> Command:
    """Return the command that runs the owner's renewal; raises Unknown."""
    return renewal_command(_owner(context), context.workdir, _paths(context))


def _owner(context: CaseContext) -> RenewalAgent:
    name = context.case.owner or "nobody"
    if name not in OWNERS:
        raise NotFoundOnHost(f"it is not known how {name} is made to renew a certificate")
    return OWNERS[name]


def _paths(context: CaseContext) -> tuple[str, ...]:
    paths = tuple(sorted({file.path for file in context.case.files if file.kind == "certificate"}))
    if not paths:
        raise NotFoundOnHost("it is not known which files hold the certificate")
    return paths


def _left(context: CaseContext) -> str:
    """Return which files hold no new certificate that is valid now."""
    leaves = leaves_on_disk(context)
    left = [path for path in _paths(context) if not (path in leaves and _is_renewed(context, leaves[path]))]
    return f"{listing(left)} without a new certificate that is valid now"


def _is_renewed(context: CaseContext, leaf: Certificate) -> bool:
    if leaf.sha256 in context.case.replaced or not leaf.has_readable("not_before", "not_after"):
        return False
    return leaf.not_before <= context.now() <= leaf.not_after


def _said(result: CommandResult) -> str:
    """Return how the agent ended and what it printed, on lines of their own."""
    first, _, printed = result.output.partition("\n")
    return f"it ended with {first.removeprefix('ended ')}:\n{printed.strip() or 'it said nothing'}"
