"""The step `key`: a key and its certification request wait on the host.

It knows that making them a second time gives the first again; it refuses to see the key.
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
from remediate.pki.csr import BadRequest, Csr
from remediate.pki.host_key import make_request, read_request


class Key:
    """The request is kept for the steps that follow."""

    def look(self, site: CaseContext, subject: str) -> Satisfied | None:
        """Return which request waits on the host."""
        del subject  # it is for the whole case
        csr = site.csr or waiting_request(site)
        return Satisfied(str(csr)) if csr else None

    def act(self, site: CaseContext, subject: str) -> None:
        """Make key and request, or finish what was begun."""
        del subject
        request_of(site)

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the command that makes key and request, unless they are there."""
        del subject
        yield from preview_key(state)


def request_of(site: CaseContext) -> Csr:
    """Return the request of a case, made on the host where there is none yet; raises Stuck.

    One that waits is read without the host's lock: a switch that waits for its confirmation holds that.
    """
    if site.csr is None:
        try:
            site.csr = waiting_request(site) or _read(site, _answered(site, making(site)))
        except BadRequest as error:
            raise StepBlocked(Cause.KEY_REQUEST, str(error)) from error
    return site.csr


def preview_key(state: PreviewState) -> Iterator[Action]:
    """Yield the command by which `request_of` makes key and request, unless they are there."""
    state.uses_csr = True
    if not state.has_csr:
        state.has_csr = True
        yield making(state.context)


def waiting_request(site: CaseContext) -> Csr | None:
    """Return the request that waits on the host; None where there is none, or another than is wanted."""
    result = _answered(site, site.premises.looking("look for a request that waits", script("key_look")))
    try:
        return _read(site, result) if result.output.strip() else None
    except BadRequest:
        return None  # to make it says what is wrong with it


def making(site: CaseContext) -> Command:
    """Return the command that makes key and request."""
    return make_request(site.premises, site.case.names, site.means.key_type)


def _read(site: CaseContext, result: CommandResult) -> Csr:
    return read_request(result, site.case.names, site.means.key_type)


def _answered(site: CaseContext, command: Command) -> CommandResult:
    result = site.run(command)
    if result.status in (None, BUSY):
        raise interruption(site, result)
    return result
