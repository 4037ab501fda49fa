"""A case in rehearsal: what of it would be there already when one of its steps is taken.

It knows what an earlier run left on record; it looks at no host.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from remediate.deployment.versions import Version
from remediate.execution.case_context import CaseContext, FileSet
from remediate.execution.context import RunContext
from remediate.execution.dry_run import placeholders
from remediate.execution.dry_run.bound import bound
from remediate.execution.steps.complete_chain import key_in
from remediate.execution.steps.self_test import ORDERED
from remediate.hosts.command import Command
from remediate.issuers import Foretelling
from remediate.issuers.base import Request
from remediate.model.case import VALIDATED, Case
from remediate.pki.host_key import key_path
from remediate.state.orders import PlacedOrder

Action: TypeAlias = Command | Request


@dataclass(slots=True)
class Stage:
    """A case as its steps would find it, each taken to succeed. `issuer` is None where it foretells nothing."""

    site: CaseContext
    issuer: Foretelling | None
    order: PlacedOrder | None  # that is under way
    has_request: bool
    knows_request: bool = False  # so far in this run
    is_collected: bool = False
    ready: set[str] = field(default_factory=set)  # folders of files in which a version lies ready
    switched: set[str] = field(default_factory=set)  # or is in use

    def version(self, one: FileSet) -> Version:
        """Return what would be installed in some files; raises Stuck."""
        if self.site.case.repair in VALIDATED:
            return placeholders.version(placeholders.ISSUED, key_path(self.site.premises))
        return placeholders.version(placeholders.IN_USE, key_in(one))

    def name(self, one: FileSet) -> str:
        """Return what that would be called on the host; raises Stuck."""
        return one.installation.name_of(self.version(one))


def staged(case: Case, means: RunContext) -> Stage:
    """Return a case as an earlier run left it: request, order and files that it made are not made again.

    Raises Unknown.
    """
    site = CaseContext(case, bound(means), csr=placeholders.request())
    order = _open_order(case, means)
    done = [step for step in case.steps if step.state == "done"]
    ready = {site.file_set(step.subject).installation.folder for step in done if step.kind == "install"}
    issuer = means.issuer if isinstance(means.issuer, Foretelling) else None
    has_request = order is not None or any(step.kind == "key" for step in done)
    return Stage(site, issuer, order, has_request, ready=ready)


def _open_order(case: Case, means: RunContext) -> PlacedOrder | None:
    """Return the order that is found again; None where there is none, or its request is not used any more."""
    last = next(reversed(means.journal.ledger.unused_orders(case.id)), None)
    return last if last and last.status in ("intended", *ORDERED) else None
