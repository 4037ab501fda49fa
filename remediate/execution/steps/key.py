"""The step `key`: a key and its CSR exist on the host.

Making them a second time returns the first CSR. The key is never read.
"""

from __future__ import annotations

from collections.abc import Iterator

from remediate.execution.case_context import CaseContext
from remediate.execution.preview import Action, PreviewState, Remark
from remediate.execution.steps.base import Satisfied, StepBlocked, interruption
from remediate.hosts import script
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import BUSY
from remediate.model.causes import Cause
from remediate.pki.csr import BadCsr, Csr
from remediate.pki.host_key import make_csr_command, read_host_csr


class MakeKey:
    """Keeps the CSR for the next steps."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return the CSR that exists on the host."""
        del subject  # it is for the whole case
        csr = context.csr or waiting_request(context)
        return Satisfied(str(csr)) if csr else None

    def apply(self, context: CaseContext, subject: str) -> None:
        """Make key and CSR, or complete what an earlier run began."""
        del subject
        request_of(context)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the command that makes key and CSR, unless they exist."""
        del subject
        yield from preview_key(state)


def request_of(context: CaseContext) -> Csr:
    """Return the CSR of a case, and make it on the host if none exists; raises StepBlocked.

    An existing CSR is read without the lock of the host, because a waiting switch may hold the lock.
    """
    if context.csr is None:
        try:
            context.csr = waiting_request(context) or _read(context, _execute(context, make_command(context)))
        except BadCsr as error:
            raise StepBlocked(Cause.KEY_REQUEST, str(error)) from error
    return context.csr


def preview_key(state: PreviewState) -> Iterator[Action]:
    """Yield the command with which `request_of` makes key and CSR, unless they exist."""
    state.uses_csr = True
    if not state.has_csr:
        state.has_csr = True
        yield make_command(state.context)


def waiting_request(context: CaseContext) -> Csr | None:
    """Return the CSR on the host; None if it does not exist, or if its names or its key type differ from the case."""
    result = _execute(context, context.workdir.read_only("look for an existing CSR", script("key/print_csr")))
    try:
        return _read(context, result) if result.output.strip() else None
    except BadCsr:
        return None  # making the CSR reports the error


def make_command(context: CaseContext) -> Command:
    """Return the command that makes key and CSR."""
    return make_csr_command(context.workdir, context.case.names, context.issuer.key_type)


def _read(context: CaseContext, result: CommandResult) -> Csr:
    return read_host_csr(result, context.case.names, context.issuer.key_type)


def _execute(context: CaseContext, command: Command) -> CommandResult:
    """Run a command and return its result; raises StepBlocked if it did not run."""
    result = context.execute(command)
    if result.status in (None, BUSY):
        raise interruption(context, result)
    return result
