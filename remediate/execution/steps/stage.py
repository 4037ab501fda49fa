"""What is to be installed in the files of a service or an endpoint: what was issued, or what is there with its chain.

It knows which repair installs what; it touches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from remediate.deployment.versions import Version, stage
from remediate.execution.case_context import CaseContext, FileSet
from remediate.execution.steps.base import Satisfied, done
from remediate.execution.steps.complete_chain import chain_of, key_in
from remediate.execution.steps.download import installable_of
from remediate.hosts import script
from remediate.model.case import Repair
from remediate.pki.host_key import key_path
from remediate.pki.issued_chain import InstallableChain


def _issued(site: CaseContext, _one: FileSet) -> tuple[InstallableChain, str]:
    return installable_of(site), key_path(site.premises)


def _in_use(site: CaseContext, one: FileSet) -> tuple[InstallableChain, str]:
    return chain_of(site, one), key_in(one)


_WANTED: Final[Mapping[Repair, Callable[[CaseContext, FileSet], tuple[InstallableChain, str]]]] = {
    Repair.REKEY: _issued,
    Repair.REISSUE: _issued,
    Repair.RECHAIN: _in_use,
}
"""For each repair that switches versions: certificate and chain, and where on the host the key is."""


def wanted(site: CaseContext, subject: str) -> InstallableChain:
    """Return certificate and chain that a service or an endpoint is to serve; raises Stuck or Unknown."""
    return _WANTED[site.case.repair](site, site.file_set(subject))[0]


def version_of(site: CaseContext, subject: str) -> Version:
    """Return the version to be installed for a service or an endpoint; raises Stuck or Unknown."""
    installable, key = _WANTED[site.case.repair](site, site.file_set(subject))
    return Version(installable.leaf_pem, installable.chain_pem, key)


def version_name(site: CaseContext, subject: str) -> str:
    """Return what that version is called on the host."""
    return site.file_set(subject).installation.name_of(version_of(site, subject))


class Install:
    """The first service of a set of files lays them ready for all of it."""

    def look(self, site: CaseContext, subject: str) -> Satisfied | None:
        """Return which version lies ready for a service."""
        installation, name = site.file_set(subject).installation, version_name(site, subject)
        folder = installation.folder.rpartition("/")[2]
        command = site.premises.looking(f"look whether version {name} lies ready", script("version_look"), folder, name)
        return Satisfied(f"version {name}") if done(site, command).output.strip() else None

    def act(self, site: CaseContext, subject: str) -> None:
        """Lay it ready; a key that is not the certificate's is refused there."""
        done(site, stage(site.file_set(subject).installation, version_of(site, subject)))
