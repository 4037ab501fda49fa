"""The step `preconditions`: the host has what a repair needs, its files are writable, and the clocks agree.

The deployments say what they need on the host. Planning has considered the findings of the audit.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit.text import join_clauses
from remediate.deployment.switch import VERSION_FILES
from remediate.deployment.versions import Part
from remediate.execution.case_context import CaseContext
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.base import Satisfied, StepBlocked, query_result, require_same_time
from remediate.execution.steps.key import preview_key, request_of, waiting_request
from remediate.execution.steps.tlsa import announce, bound_records, needs_key, require_published
from remediate.execution.steps.wire_check import leaves_of
from remediate.hosts import script
from remediate.hosts.command import Query
from remediate.installers import Daemon
from remediate.model.case import VALIDATED
from remediate.model.causes import Cause


class Preconditions:
    """Reports what an administrator must fix. It makes only a key that needs a published TLSA record."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return Satisfied if nothing is missing; None if a key must be made first; raises StepBlocked."""
        del subject  # it is for the whole case
        require_known(context)
        missing = tuple(dict.fromkeys((*_lacks(context), *_masked(context))))
        if missing:
            why = f"{context.case.host}: {join_clauses(missing)}"
            raise StepBlocked(Cause.HOST_UNPREPARED, why, finding=join_clauses(sorted(missing)))
        require_unchanged(context)
        return _check_tlsa(context)

    def apply(self, context: CaseContext, subject: str) -> None:
        """Make key and CSR, so that the TLSA record of the key can be named."""
        del subject
        request_of(context)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the command that makes the key if its TLSA record must be published first; the repair waits there."""
        del subject
        require_known(state.context)
        if not _needs_records(state.context):
            return
        bound = bound_records(state.context)
        if bound.records and not state.has_csr:
            yield from preview_key(state)
            announce(bound)


def _lacks(context: CaseContext) -> Iterator[str]:
    """Yield what the host lacks for the deployments of the case; raises StepBlocked if its clock is wrong."""
    groups = context.switch_groups
    for deployment in dict.fromkeys(group.deployment for group in groups):
        file_sets = [group.file_set for group in groups if group.deployment == deployment]
        requirements = query_result(context, deployment.requirements(file_sets))
        require_same_time(context, context.case.host, requirements.host_time)
        yield from requirements.lacks
    if context.run.passphrase_file and context.case.repair in VALIDATED:
        yield from query_result(context, _passphrase_query(context))


def _passphrase_query(context: CaseContext) -> Query[tuple[str, ...]]:
    """Return the query why the passphrase of new keys does not fit the present ones, which services load with it."""
    targets = (target for group in context.switch_groups for target in group.file_set.targets)
    keys = sorted({target.path for target in targets if Part.KEY in target.parts})
    body = script(*VERSION_FILES, "key/check_passphrase")
    why = "check whether the passphrase decrypts the present keys"
    command = context.workdir.read_only(why, body, context.run.passphrase_file, *keys)
    return Query(command, lambda result: tuple(line.removeprefix("lacks ") for line in result.output.splitlines()))


def _masked(context: CaseContext) -> Iterator[str]:
    """Yield the masked units in which the services run: systemd would not start them again after a failed reload."""
    for service in context.case.services:
        installer = context.installer(service)
        if isinstance(installer, Daemon):
            for unit in query_result(context, installer.masked_units(context.case.host)):
                yield f"{unit}, in which {service} runs, is masked: run `systemctl unmask {unit}`"


def _check_tlsa(context: CaseContext) -> Satisfied | None:
    """Return Satisfied if no TLSA record blocks the repair; None if a key must be made first; raises StepBlocked."""
    if not _needs_records(context):
        return Satisfied()
    bound = bound_records(context)
    if bound.is_without_dns:
        return Satisfied("no name server responds here, so TLSA records could not be looked up")
    if not bound.records:
        return Satisfied()
    context.csr = context.csr or waiting_request(context)
    if context.csr is None:
        return None
    require_published(context, bound)
    return Satisfied("the TLSA records match the new key")


def _needs_records(context: CaseContext) -> bool:
    """Return whether TLSA records have to match the key of this repair before anything is ordered."""
    return context.case.repair in VALIDATED and needs_key(context)


def require_known(context: CaseContext) -> None:
    """Raise NotFoundOnHost if the files of a service or its installer are unknown."""
    for service in context.case.services:
        context.installer(service)
        context.switch_group(service)


def require_unchanged(context: CaseContext) -> None:
    """Raise StepBlocked if the certificate to replace is not served any more and nothing is ordered yet.

    Another controller may have repaired the finding since the audit.
    """
    old = context.case.replaced
    if not old or context.orders.unused(context.case.id):
        return
    served = frozenset[str]().union(*(leaves_of(context, endpoint) for endpoint in context.case.endpoints))
    if served and not served & old:
        why = f"{context.case.host} does not serve the certificate that the audit saw any more. Run the audit again"
        raise StepBlocked(Cause.CASE_CHANGED, why, ended="interrupted")
