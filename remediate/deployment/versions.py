"""Values of a deployment: a version of a certificate, the files that are switched together, and what each holds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from audit.observation import InstalledFile
from remediate.hosts.workdir import HostWorkdir


class Part(StrEnum):
    """A part of a file, in the order in which a file holds them; the scripts take its code."""

    KEY = "k"
    LEAF = "l"
    CHAIN = "c"


@dataclass(frozen=True, slots=True)
class FileTarget:
    """A file that services are configured to load: its real path and what it holds."""

    path: str
    parts: frozenset[Part]

    @property
    def part_codes(self) -> str:
        """The parts as the scripts take them."""
        return "".join(part for part in Part if part in self.parts)


@dataclass(frozen=True, slots=True)
class Version:
    """A version to install: the certificate and its chain as PEM, and the path of its key on the host.

    With a `passphrase_file`, a file on the host, the key is encrypted where the present key is.
    """

    leaf_pem: str
    chain_pem: str
    key_path: str
    passphrase_file: str = ""

    @property
    def name(self) -> str:
        """The name of the version; the same certificates have the same name, beside an encrypted key another one."""
        return _digest([self.leaf_pem, self.chain_pem])[:16] + ("-encrypted" if self.passphrase_file else "")


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files that are switched together."""

    workdir: HostWorkdir
    targets: tuple[FileTarget, ...]

    @property
    def folder(self) -> str:
        """The directory of these files; other files of the same case have another."""
        return f"{self.workdir.folder}/{self.folder_name}"

    @property
    def folder_name(self) -> str:
        """The name of that directory."""
        return _digest(sorted((target.path, target.part_codes) for target in self.targets))[:12]

    @property
    def pairs(self) -> tuple[str, ...]:
        """Paths and parts in turn, as the scripts take them."""
        return tuple(word for target in self.targets for word in (target.path, target.part_codes))


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
