"""Versions of a set of certificate files, and the commands that stage, keep and destroy them on a host.

Each case and set of files has a directory, which only root can enter. In it each version has a directory with the
files at their full paths, and links name the versions that are in use, verified last, and verified before that.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from audit.observation import InstalledFile
from remediate.deployment.base import VERSION_FILES, Deployment
from remediate.deployment.replace import REPLACE
from remediate.hosts import script
from remediate.hosts.command import Command
from remediate.hosts.workdir import HostWorkdir

UNUSED_DAYS: Final = 30
"""How long the directory of a case stays after its versions are not used any more, so that a person can inspect it."""
_VERSION: Final = re.compile(r"[0-9a-z][0-9a-z-]*")


class Part(StrEnum):
    """A part of a file, in the order in which a file holds them; the scripts take the letter."""

    KEY = "k"
    LEAF = "l"
    CHAIN = "c"


@dataclass(frozen=True, slots=True)
class FileTarget:
    """A file that services are configured to load: its real path and what it holds."""

    path: str
    parts: frozenset[Part]

    @property
    def letters(self) -> str:
        """The parts as the scripts take them."""
        return "".join(part for part in Part if part in self.parts)


@dataclass(frozen=True, slots=True)
class Version:
    """A version to install: the certificate and its chain as PEM, and the path of its key on the host."""

    leaf_pem: str
    chain_pem: str
    key_path: str


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files that are switched together."""

    workdir: HostWorkdir
    targets: tuple[FileTarget, ...]
    deployment: Deployment = REPLACE

    @property
    def folder(self) -> str:
        """The directory of these files; other files of the same case have another."""
        return f"{self.workdir.folder}/{self.folder_name}"

    @property
    def folder_name(self) -> str:
        """The name of that directory."""
        return _digest(sorted((target.path, target.letters) for target in self.targets))[:12]

    def name_of(self, version: Version) -> str:
        """Return the name of a version's directory; the same content has the same name."""
        return _digest([version.leaf_pem, version.chain_pem])[:16]

    @property
    def pairs(self) -> tuple[str, ...]:
        """Paths and parts in turn, as the scripts take them."""
        return tuple(word for target in self.targets for word in (target.path, target.letters))

    @property
    def counted(self) -> tuple[str, ...]:
        """How many paths there are, and the pairs, as the functions of a deployment take them."""
        return str(len(self.targets)), *self.pairs


def file_targets(files: Iterable[InstalledFile], root: str) -> tuple[FileTarget, ...]:
    """Return the parts that the real path of each file has to hold, by the use of the file.

    A path may be used for several purposes, by one service or by several. If no file is named for the chain, the chain
    follows the leaf. Links are followed as they were found on the host, except links of earlier versions of this
    program: they lead to a version.
    """
    uses: dict[str, set[Part]] = {}
    installed = tuple(files)
    with_chain = {original_path(file, root) for file in installed if file.kind == "certificate"}
    separate = {original_path(file, root) for file in installed if file.kind == "chain"} - with_chain
    leaf = {Part.LEAF} if separate else {Part.LEAF, Part.CHAIN}
    for file in installed:
        parts = {"key": {Part.KEY}, "chain": {Part.CHAIN}, "certificate": leaf}[file.kind]
        uses.setdefault(original_path(file, root), set()).update(parts)
    return tuple(FileTarget(path, frozenset(uses[path])) for path in sorted(uses))


def original_path(file: InstalledFile, root: str) -> str:
    """Return the path of a file before an earlier version of this program made it a link; else its real path."""
    real = file.real_path or file.path
    match = re.fullmatch(rf"{re.escape(root)}/[^/]+/[^/]+/[^/]+(?P<path>/.+)", real)
    return match["path"] if match else real


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def stage(file_set: FileSet, version: Version) -> Command:
    """Return the command that stages a version beside the others; no service uses it yet.

    It fails, and leaves nothing, if the key does not belong to the certificate.
    """
    name = file_set.name_of(version)
    why = f"stage certificate and key as version {name}"
    arguments = (file_set.folder_name, name, version.key_path, version.leaf_pem, version.chain_pem, *file_set.pairs)
    return file_set.workdir.exclusive(why, script(*VERSION_FILES, "deployment/stage_version"), *arguments)


def leaf_of(file_set: FileSet, name: str) -> Command:
    """Return the command that prints the leaf of a version."""
    arguments = (file_set.folder_name, name, *file_set.pairs)
    return file_set.workdir.read_only(f"read version {name}", script("deployment/print_leaf"), *arguments)


def externally_changed(file_set: FileSet) -> Command:
    """Return the command that prints the paths that another party has changed."""
    body = file_set.deployment.script + script("deployment/list_changed_paths")
    why = "look for files that another party has changed"
    return file_set.workdir.read_only(why, body, file_set.folder_name, *file_set.pairs)


def destroy_keys(file_set: FileSet, name: str) -> Command:
    """Return the command that destroys the keys of a version that is not in use; it can never be used again."""
    if not _VERSION.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a version")
    arguments = (file_set.folder_name, name, *file_set.pairs)
    body = script(*VERSION_FILES, "deployment/destroy_keys")
    return file_set.workdir.exclusive(f"destroy the keys of version {name}", body, *arguments)


def prune(workdir: HostWorkdir, spared: Iterable[str]) -> Command:
    """Return the command that removes the versions that no rollback needs; none of the spared cases."""
    body = script(*VERSION_FILES, "deployment/restore_links", "deployment/prune_versions")
    return workdir.exclusive("remove versions that no rollback needs", body, str(UNUSED_DAYS), *sorted(set(spared)))
