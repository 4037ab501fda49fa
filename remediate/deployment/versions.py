"""Versions of a service's certificate files, and where they lie on a host.

Each case and set of files has a directory, which root alone enters. In it each version has a directory with the files
at their full paths, and links name the versions that are in use, proven last, and proven before that.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from audit.observation import InstalledFile
from remediate.deployment.base import Deployment
from remediate.deployment.replace import REPLACE
from remediate.hosts import script
from remediate.hosts.command import Command
from remediate.hosts.workdir import HostWorkdir

_VERSION: Final = re.compile(r"[0-9a-z][0-9a-z-]*")


@dataclass(frozen=True, slots=True)
class FileTarget:
    """A file of a service: its real path, and of what it is made: `k` key, `l` leaf, `c` certificates of the CAs."""

    path: str
    parts: str


@dataclass(frozen=True, slots=True)
class Version:
    """What is to be installed: the certificate and the CAs' as PEM, and where on the host its key is."""

    leaf_pem: str
    chain_pem: str
    key_path: str


@dataclass(frozen=True, slots=True)
class Installation:
    """The files that are switched together."""

    workdir: HostWorkdir
    placements: tuple[FileTarget, ...]
    deployment: Deployment = REPLACE

    @property
    def folder(self) -> str:
        """The folder of these files: other files of the same case have another."""
        return f"{self.workdir.folder}/{_digest(sorted((one.path, one.parts) for one in self.placements))[:12]}"

    def name_of(self, version: Version) -> str:
        """Return the name of a version's folder: the same content has the same."""
        return _digest([version.leaf_pem, version.chain_pem])[:16]

    @property
    def pairs(self) -> tuple[str, ...]:
        """Paths and parts in turn, as the scripts take them."""
        return tuple(word for one in self.placements for word in (one.path, one.parts))

    @property
    def counted(self) -> tuple[str, ...]:
        """How many paths there are, and the pairs: as the functions of a way take them."""
        return str(len(self.placements)), *self.pairs


def placements(files: Iterable[InstalledFile], root: str) -> tuple[FileTarget, ...]:
    """Return what has to be at the real path of each file, by what services use it for.

    A path may be used for several purposes, by one service or by several. Where no file is named for the chain it
    follows the leaf. Links are followed as they were found on the host, but for our own: what leads there now will be
    led elsewhere.
    """
    uses: dict[str, set[str]] = {}
    found = tuple(files)
    with_chain = {origin(file, root) for file in found if file.kind == "certificate"}
    apart = {origin(file, root) for file in found if file.kind == "chain"} - with_chain
    for file in found:
        letters = {"key": "k", "chain": "c", "certificate": "l" if apart else "lc"}[file.kind]
        uses.setdefault(origin(file, root), set()).update(letters)
    return tuple(FileTarget(path, "".join(sorted(uses[path], key="klc".index))) for path in sorted(uses))


def origin(file: InstalledFile, root: str) -> str:
    """Return the path that a file had before we made a link of it, its real path where we never did."""
    real = file.real_path or file.path
    match = re.fullmatch(rf"{re.escape(root)}/[^/]+/[^/]+/[^/]+(?P<path>/.+)", real)
    return match["path"] if match else real


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def stage(installation: Installation, version: Version) -> Command:
    """Return the command that lays a version ready beside the others; nothing leads to it yet.

    It fails, and leaves nothing, where a key is not the certificate's.
    """
    name = installation.name_of(version)
    own = installation.folder.rpartition("/")[2]
    why = f"lay certificate and key ready as version {name}"
    given = (own, name, version.key_path, version.leaf_pem, version.chain_pem, *installation.pairs)
    return installation.workdir.exclusive(why, script("agree", "files", "stage"), *given)


def release(workdir: HostWorkdir, *cases: str) -> Command:
    """Return the command that makes links of earlier versions files again, for these cases or for all on the host."""
    why = f"make the links of {', '.join(cases) or 'all cases'} files again"
    return workdir.exclusive(why, script("agree", "files", "links", "release"), *cases)


def destroy_keys(installation: Installation, name: str) -> Command:
    """Return the command that destroys the keys of a version that is not in use: after it none can go back to it."""
    if not _VERSION.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a version")
    own = installation.folder.rpartition("/")[2]
    why = f"destroy the keys of version {name}"
    return installation.workdir.exclusive(why, script("agree", "files", "destroy_keys"), own, name, *installation.pairs)
