"""The step `install`: a new version of a file set is staged on the host; no configured path uses it yet.

The version is the issued certificate, or the certificate in use with its completed chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from remediate.deployment.versions import Version
from remediate.execution.case_context import CaseContext, SwitchGroup
from remediate.execution.preview import ISSUED_LEAF, LEAF_IN_USE, Action, PreviewState, Remark, placeholder_version
from remediate.execution.steps.base import Satisfied, query_result, require_success
from remediate.execution.steps.complete_chain import chain_of, key_in
from remediate.execution.steps.download import installable_of, preview_download
from remediate.model.case import VALIDATED, Repair
from remediate.pki.host_key import key_path
from remediate.pki.issued_chain import InstallableChain


@dataclass(frozen=True, slots=True)
class _Source:
    """The origin of the chain and key of a new version, and the placeholder for its leaf in a preview."""

    chain: Callable[[CaseContext, SwitchGroup], InstallableChain]
    key_path: Callable[[CaseContext, SwitchGroup], str]
    placeholder: str


_ISSUED: Final = _Source(
    lambda context, _: installable_of(context), lambda context, _: key_path(context.workdir), ISSUED_LEAF
)
_IN_USE: Final = _Source(chain_of, lambda _, switch_group: key_in(switch_group), LEAF_IN_USE)
_SOURCES: Final[Mapping[Repair, _Source]] = {
    Repair.REKEY: _ISSUED,
    Repair.REISSUE: _ISSUED,
    Repair.RECHAIN: _IN_USE,
}
"""The source of each repair that switches versions."""


def chain_to_install(context: CaseContext, subject: str) -> InstallableChain:
    """Return the chain that a service or an endpoint is to serve; raises StepBlocked or NotFoundOnHost."""
    return _SOURCES[context.case.repair].chain(context, context.switch_group(subject))


def new_version(context: CaseContext, subject: str) -> Version:
    """Return the version to be installed for a service or an endpoint; raises StepBlocked or NotFoundOnHost."""
    source, switch_group = _SOURCES[context.case.repair], context.switch_group(subject)
    installable = source.chain(context, switch_group)
    key = source.key_path(context, switch_group)
    passphrase_file = context.run.passphrase_file if context.case.repair in VALIDATED else ""
    return Version(installable.leaf_pem, installable.chain_pem, key, passphrase_file)


def version_name(context: CaseContext, subject: str) -> str:
    """Return the name of the new version on the host."""
    return new_version(context, subject).name


def preview_version(state: PreviewState, subject: str) -> Version:
    """Return the placeholder for the result of `new_version`; raises StepBlocked or NotFoundOnHost."""
    source, switch_group = _SOURCES[state.context.case.repair], state.context.switch_group(subject)
    return placeholder_version(source.placeholder, source.key_path(state.context, switch_group))


def preview_version_name(state: PreviewState, subject: str) -> str:
    """Return the placeholder for the result of `version_name`."""
    return preview_version(state, subject).name


class StageFiles:
    """Stages the version; for the first service of a switch group it does so for all services of the group."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return the version that is staged for a service."""
        group, name = context.switch_group(subject), version_name(context, subject)
        progress = query_result(context, group.deployment.status(group.file_set))
        return Satisfied(f"version {name}") if name in progress.staged else None

    def apply(self, context: CaseContext, subject: str) -> None:
        """Stage the version; the host refuses a key that does not belong to the certificate."""
        group = context.switch_group(subject)
        require_success(context, group.deployment.stage(group.file_set, new_version(context, subject)))

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the command that stages a version, for the first service of a switch group."""
        group = state.context.switch_group(subject)
        if state.context.case.repair in VALIDATED:
            yield from preview_download(state)
        if group.file_set not in state.staged:
            state.staged.add(group.file_set)
            yield group.deployment.stage(group.file_set, preview_version(state, subject))
