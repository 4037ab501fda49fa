"""The step `renew`: the agent that owns the certificate has renewed it, as the files on disk show.

`hosts/renewal_agents.py` has the command of each agent. The exit status of an agent is not trusted.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit.text import join_limited
from audit.x509.certificate import Certificate
from remediate.execution.case_context import CaseContext, NotFoundOnHost
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.access_log_notes import request_notes_since
from remediate.execution.steps.base import Satisfied, StepBlocked, interruption, output_tail
from remediate.execution.steps.installed_certificates import leaves_on_disk
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.renewal_agents import RENEWAL_AGENTS, RenewalAgent, renewal_command
from remediate.hosts.workdir import BUSY
from remediate.model.causes import Cause


class Renew:
    """Fails if the renewal changed nothing, whatever the exit status of the agent."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return Satisfied if every file holds a new certificate that is valid now."""
        del subject  # it is for the whole case
        context.on_disk = None
        leaves = leaves_on_disk(context)
        paths = _paths(context)
        if not all(path in leaves and _is_renewed(context, leaves[path]) for path in paths):
            return None
        renewed = (
            f"{_agent(context).name} has renewed {join_limited(sorted({leaves[path].sha256[:16] for path in paths}))}"
        )
        return Satisfied(renewed, context.request_lines)

    def apply(self, context: CaseContext, subject: str) -> None:
        """Run the renewal and wait for an agent that continues in the background; report requests of a panel's CA."""
        began = context.now()
        result = context.execute(agent_command(context))
        if result.status in (None, BUSY):
            raise interruption(context, result)
        if not result.ok:
            raise StepBlocked(
                Cause.OWNER_NOT_RUN, f"the renewal of {_agent(context).name} was not run: {output_tail(result)}"
            )
        context.wait_until(lambda: self.check(context, subject) is not None, _agent(context).settles_s)
        context.request_lines = request_notes_since(context, began) if context.case.is_panel else ()
        if self.check(context, subject) is None:
            why = f"{_agent(context).name} left {_unrenewed(context)}; {_agent_output(result)}"
            raise StepBlocked(Cause.OWNER_UNCHANGED, "\n".join((why, *context.request_lines)))

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the renewal of the agent."""
        del subject
        yield agent_command(state.context)


def agent_command(context: CaseContext) -> Command:
    """Return the command that runs the renewal of the agent; raises NotFoundOnHost."""
    return renewal_command(_agent(context), context.workdir, _paths(context))


def _agent(context: CaseContext) -> RenewalAgent:
    name = context.case.owner or "no agent"
    if name not in RENEWAL_AGENTS:
        raise NotFoundOnHost(f"no renewal command is known for {name}")
    return RENEWAL_AGENTS[name]


def _paths(context: CaseContext) -> tuple[str, ...]:
    paths = tuple(sorted({file.path for file in context.case.files if file.kind == "certificate"}))
    if not paths:
        raise NotFoundOnHost("no certificate file was found")
    return paths


def _unrenewed(context: CaseContext) -> str:
    """Return which files hold no new certificate that is valid now."""
    leaves = leaves_on_disk(context)
    paths = [path for path in _paths(context) if not (path in leaves and _is_renewed(context, leaves[path]))]
    return f"{join_limited(paths)} without a new certificate that is valid now"


def _is_renewed(context: CaseContext, leaf: Certificate) -> bool:
    if leaf.sha256 in context.case.replaced or not leaf.has_readable("not_before", "not_after"):
        return False
    return leaf.not_before <= context.now() <= leaf.not_after


def _agent_output(result: CommandResult) -> str:
    """Return the exit status of the agent and what it printed, on separate lines."""
    status, _, printed = result.output.partition("\n")
    return f"it ended with {status.removeprefix('ended ')}:\n{printed.strip() or 'it printed nothing'}"
