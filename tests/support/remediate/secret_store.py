"""A deployment that needs no shell on a host: a local program keeps the versions, and a session calls it directly."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from audit.observation import InstalledFile
from remediate.deployment.base import Inspection, Released, Requirements
from remediate.deployment.progress import Progress, SwitchEvent
from remediate.deployment.versions import FileSet, Version, file_targets
from remediate.hosts.command import Command, CommandResult, Query
from remediate.hosts.workdir import HostWorkdir
from remediate.installers import Installer
from tests.support.remediate import secret_store_program

STORE: Final = "store"
"""The host that the commands of the deployment name."""


@dataclass(slots=True)
class ProgramSession:
    """A session that calls the program; its commands hold no shell."""

    verbs: list[str] = field(default_factory=list)

    def run(self, command: Command) -> CommandResult:
        """Call the program with the arguments of a command."""
        assert command.script == secret_store_program.__file__
        self.verbs.append(command.arguments[0])
        done = subprocess.run(
            [sys.executable, command.script, *command.arguments],
            capture_output=True, text=True, timeout=command.timeout_s, check=False,
        )  # fmt: skip
        return CommandResult(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True, slots=True)
class SecretStore:
    """The deployment of the certificate that is served from a folder."""

    folder: Path

    def locate(self, files: Sequence[InstalledFile], workdir: HostWorkdir, /) -> FileSet:
        """Return all files."""
        return FileSet(workdir, file_targets(files, workdir.root))

    def requirements(self, file_sets: Sequence[FileSet], /) -> Query[Requirements]:
        """Return the query for why the store cannot be used."""
        del file_sets
        command = self._command("requirements", changes=False)
        return Query(command, lambda result: Requirements(tuple(result.output.splitlines())))

    def stage(self, file_set: FileSet, version: Version, /) -> Command:
        """Return the call that puts a version into the store."""
        del file_set
        return self._command("stage", version.name, version.key_path, version.leaf_pem, version.chain_pem)

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
        """Return the call that serves a version; the store reverts nothing by itself."""
        del file_set, services, confirm_within_s, returns
        return self._command("activate", name)

    def status(self, file_set: FileSet, /) -> Query[Progress]:
        """Return the query for the state of the store."""
        del file_set
        return Query(self._command("status", changes=False), _read_progress)

    def confirm(self, file_set: FileSet, name: str, /) -> Command:
        """Return the call that confirms a version."""
        del file_set
        return self._command("confirm", name)

    def revert(self, file_set: FileSet, name: str, /, *, rejected: bool = False) -> Command:
        """Return the call that serves the confirmed version again."""
        del file_set
        return self._command("revert", name, "rejected" if rejected else "")

    def inspect(self, file_set: FileSet, name: str, /) -> Query[Inspection]:
        """Return the query for the leaf of a version; no other party writes to the store."""
        del file_set
        return Query(self._command("inspect", name, changes=False), lambda result: Inspection(result.output.strip()))

    def destroy_keys(self, file_set: FileSet, name: str, /) -> Command:
        """Return the call that removes a version."""
        del file_set
        return self._command("destroy", name)

    def prune(self, workdir: HostWorkdir, spared: Collection[str], /) -> Command:
        """Return the call that removes versions that no rollback needs."""
        del workdir, spared
        return self._command("prune")

    def release(self, workdir: HostWorkdir, /, *cases: str) -> Query[Released]:
        """Return the query that forgets rejected versions."""
        del workdir, cases
        return Query(self._command("release"), lambda result: Released((), result.ok))

    def _command(self, verb: str, *arguments: str, changes: bool = True) -> Command:
        words = (verb, str(self.folder), *arguments)
        return Command(STORE, f"{verb} in the secret store", secret_store_program.__file__, words, changes)


def _read_progress(result: CommandResult) -> Progress:
    state = json.loads(result.output)
    events = tuple(SwitchEvent(*event) for event in state["events"])
    return Progress(
        events, state["live"], state["proven"], state["before"],
        holder="the secret store" if events and events[-1].state == "waiting" else None,
        rejected=frozenset(state["rejected"]), staged=frozenset(state["versions"]),
    )  # fmt: skip
