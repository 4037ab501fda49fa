"""The protocol of a deployment: how the versions of a set of files are staged, come into use, and go back.

A deployment runs nothing. Its methods return commands, and queries: commands whose result it parses itself. A command
names the host whose session runs it. That host may differ from the host of the case, and its session needs no shell.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from audit.observation import InstalledFile
from remediate.deployment.progress import Progress
from remediate.deployment.versions import FileSet, Version
from remediate.hosts.command import Command, Query
from remediate.hosts.workdir import HostWorkdir
from remediate.installers.base import Installer


class NotDeployable(LookupError):
    """These files cannot be deployed together; the message says why."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a host lacks for a deployment, and the time of its clock; None if the deployment does not read that."""

    lacks: tuple[str, ...] = ()
    host_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """The leaf of a version as PEM, empty if the version is not kept, and the paths that another party has changed."""

    leaf_pem: str
    changed_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Released:
    """What a release did on one host, as lines for the user."""

    lines: tuple[str, ...]
    is_well: bool = True


class Deployment(Protocol):
    """A kind of deployment on one host. A version is named by `Version.name`.

    Every command may be run several times, and may be killed at any moment: at each moment the files of exactly one
    version are in use, and the next command completes or reverts what was interrupted.
    """

    def locate(self, files: Sequence[InstalledFile], workdir: HostWorkdir, /) -> FileSet | None:
        """Return these files as they are deployed together, None if another kind deploys them.

        Raises NotDeployable.
        """

    def requirements(self, file_sets: Sequence[FileSet], /) -> Query[Requirements]:
        """Return the query for everything that is missing to deploy these file sets."""

    def stage(self, file_set: FileSet, version: Version, /) -> Command:
        """Return the command that stages a version beside the others; no service uses it yet.

        It fails, and leaves nothing, if the key does not belong to the certificate.
        """

    def activate(
        self,
        file_set: FileSet,
        services: Sequence[Installer],
        name: str,
        /,
        *,
        confirm_within_s: int,
        returns: bool = True,
    ) -> Command:
        """Return the command that starts the switch to a version, and returns at once.

        The switch lets each service load the files. Without a confirmation within `confirm_within_s` (0: none is
        needed) it reverts itself, even if this program has ended; but never if `returns` is false, because the old key
        may be compromised.
        """

    def status(self, file_set: FileSet, /) -> Query[Progress]:
        """Return the query for the progress of the switch and for the versions that are kept."""

    def confirm(self, file_set: FileSet, name: str, /) -> Command:
        """Return the command that confirms a version, and returns once that is recorded."""

    def revert(self, file_set: FileSet, name: str, /, *, rejected: bool = False) -> Command:
        """Return the command that makes a waiting switch revert now, and returns once it has reverted.

        `status` reports a version that every address `rejected` until it is released.
        """

    def inspect(self, file_set: FileSet, name: str, /) -> Query[Inspection]:
        """Return the query for the leaf of a version, and for the files that another party has changed."""

    def destroy_keys(self, file_set: FileSet, name: str, /) -> Command:
        """Return the command that destroys the keys of a version that is not in use; it can never be used again."""

    def prune(self, workdir: HostWorkdir, spared: Collection[str], /) -> Command:
        """Return the command that removes the versions that no rollback needs; none of the spared cases."""

    def release(self, workdir: HostWorkdir, /, *cases: str) -> Query[Released]:
        """Return the query that makes the configured files of these cases, or of all, independent of this program."""
