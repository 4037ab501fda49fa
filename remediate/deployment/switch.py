"""The deployment by a switch on the host itself; the members of the table fill in their shell functions.

Each case and set of files has a directory, which only root can enter. In it each version has a directory with the
files at their full paths, and links name the versions that are in use, verified last, and verified before that.

The switch is a detached script, so it survives the controller: it activates a version, and reverts it unless it is
confirmed in time. Its state is a file, and it runs as long as it holds the host's lock. The rename of one file decides
whether the confirmation or the timeout came first. A process that opens certificate and key on either side of the
renames sees a mismatch; docs/repair.md says for how long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final

from audit.host.trust import TRUST
from audit.observation import InstalledFile
from remediate.deployment.base import Inspection, Released, Requirements
from remediate.deployment.progress import Progress, SwitchEvent
from remediate.deployment.release import read_released
from remediate.deployment.versions import FileSet, Version
from remediate.hosts import script
from remediate.hosts.command import Command, CommandResult, Query
from remediate.hosts.workdir import PROLOGUE, HostWorkdir
from remediate.installers.base import Installer

VERSION_FILES: Final = ("key/verify_key_matches", "deployment/version_files")
"""The shell that every script about the files of versions begins with."""
UNUSED_DAYS: Final = 30
"""How long the directory of a case stays after its versions are not used any more, so that a person can inspect it."""
_VERSION: Final = re.compile(r"[0-9a-z][0-9a-z-]*")
_ROOM: Final = 1024  # kB; four versions of certificate, chain and key need about 100
_FILES: Final = 64


@dataclass(frozen=True, slots=True)
class SwitchedDeployment:
    """A deployment by the detached switch; `functions` bring a version to the configured paths.

    They work with the directory of the files, which is in `$folder`. Most take the number of paths and then each path
    with its parts: `is_unchanged PATH PARTS`: no other party has changed the path; `version_in_use`: prints the version
    in use; `holds_known_version`: the paths hold a version that is kept; `keep_copy`: copies what they hold to
    `$old.part`; `activate VERSION`, and `revert`, which activates `way-back`: they leave in `$reason` why they failed;
    `is_untouched`: a failed `activate` changed nothing; `recover`: undoes an `activate` that was interrupted;
    `replace_links`: makes links of earlier versions of this program regular files again.
    """

    locate: Callable[[Sequence[InstalledFile], HostWorkdir], FileSet | None] = field(compare=False)
    functions: str
    needs: str  # shell that reports by `lacks` what a host lacks
    label: str = ""  # is added to the reason of a switch

    def requirements(self, file_sets: Sequence[FileSet], /) -> Query[Requirements]:
        """Return the query for programs, rights and room on the host, and for its clock."""
        workdir = file_sets[0].workdir
        paths = sorted({target.path for file_set in file_sets for target in file_set.targets})
        body = script("inspect/begin_requirements") + self.needs + script("inspect/check_host")
        why = "check whether the host has what a repair needs"
        return Query(workdir.read_only(why, body, str(_ROOM), str(_FILES), *paths), _read_requirements)

    def stage(self, file_set: FileSet, version: Version, /) -> Command:
        """Return the command that stages a version in the directory of the files."""
        why = f"stage certificate and key as version {version.name}"
        contents = (version.key_path, version.leaf_pem, version.chain_pem, version.passphrase_file)
        arguments = (file_set.folder_name, version.name, *contents, *file_set.pairs)
        return file_set.workdir.exclusive(why, script(*VERSION_FILES, "deployment/stage_version"), *arguments)

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
        """Return the command that starts the detached script; if a switch is running, it ends with BUSY.

        `name` may also be `proven` or `before`: the version that was verified last, or the version before that.
        """
        workdir = file_set.workdir
        texts = [_without_shared(text) for service in services for text in _texts(service, workdir.host)]
        library = script("common/prelude") + self.functions + script("switch/record_state")
        shared = (library, script("services/daemon"), script("switch/run_switch"))
        options = (name, str(confirm_within_s), "yes" if returns else "no", str(len(file_set.targets)))
        body = _LIBRARY + script("switch/keep_current_files", "switch/start_switch")
        why = f"switch {', '.join(service.name for service in services)} to version {name}{self.label}"
        return workdir.exclusive(why, body, *shared, file_set.folder_name, *options, *file_set.pairs, *texts)

    def status(self, file_set: FileSet, /) -> Query[Progress]:
        """Return the query for the state that the detached script recorded."""
        body = self.functions + script("switch/print_progress", "switch/inspect_switch")
        arguments = (file_set.folder_name, *_counted(file_set))
        return Query(file_set.workdir.read_only("read the progress of the switch", body, *arguments), _read_progress)

    def confirm(self, file_set: FileSet, name: str, /) -> Command:
        """Return the command that confirms a version and waits until the script has recorded that."""
        return self._decide(f"confirm version {name}", file_set, name, "taken", "")

    def revert(self, file_set: FileSet, name: str, /, *, rejected: bool = False) -> Command:
        """Return the command that makes the script revert now, and waits for it; it marks a `rejected` version."""
        return self._decide(f"revert version {name}", file_set, name, "withdrawn", "rejected" if rejected else "")

    def _decide(self, why: str, file_set: FileSet, *decision: str) -> Command:
        """Return the command for a decision: the name of the version, the word for it, and a mark or nothing.

        It needs no lock, because the script that waits for the decision holds it.
        """
        workdir = file_set.workdir
        arguments = (*workdir.leading_arguments, file_set.folder_name, *decision)
        return Command(
            workdir.host, why, PROLOGUE + script("switch/record_state", "switch/confirm_or_revert"), arguments
        )

    def inspect(self, file_set: FileSet, name: str, /) -> Query[Inspection]:
        """Return the query that compares the configured files and prints the leaf of a version."""
        body = self.functions + script("deployment/inspect_version")
        arguments = (file_set.folder_name, name, *file_set.pairs)
        command = file_set.workdir.read_only(f"read version {name}", body, *arguments)
        return Query(command, partial(_read_inspection, file_set))

    def destroy_keys(self, file_set: FileSet, name: str, /) -> Command:
        """Return the command that overwrites and removes the keys of a version; raises ValueError for another name."""
        if not _VERSION.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a version")
        arguments = (file_set.folder_name, name, *file_set.pairs)
        body = script(*VERSION_FILES, "deployment/destroy_keys")
        return file_set.workdir.exclusive(f"destroy the keys of version {name}", body, *arguments)

    def prune(self, workdir: HostWorkdir, spared: Collection[str], /) -> Command:
        """Return the command that removes versions of this case and the unused directories of other cases."""
        body = script(*VERSION_FILES, "deployment/restore_links", "deployment/prune_versions")
        why = "remove versions that no rollback needs"
        return workdir.exclusive(why, body, str(UNUSED_DAYS), *sorted(set(spared)))

    def release(self, workdir: HostWorkdir, /, *cases: str) -> Query[Released]:
        """Return the query that makes links of earlier versions of this program regular files again."""
        why = f"make the links of {', '.join(cases) or 'all cases'} regular files again"
        body = script(*VERSION_FILES, "deployment/restore_links", "deployment/release_paths")
        return Query(workdir.exclusive(why, body, *cases), partial(read_released, workdir, all_cases=not cases))


# A login may pass a script as one argument, at most 128 KiB. The beginning of all services' scripts is sent once.
_LIBRARY: Final = 'library=$1\neval "$library"\n'
_SHARED: Final = (
    (TRUST, 'trust_text=$trust_sh\nunset trust_sh\ntrust_sh=$trust_text\neval "$trust_sh"\n'),
    (script("services/daemon"), 'daemon_text=$daemon_sh\nunset daemon_sh\neval "$daemon_text"\n'),
)
"""Texts that the detached script passes to the script of a service in a variable, and the shell that reads them."""


def _without_shared(text: str) -> str:
    for shared, read in _SHARED:
        text = text.replace(shared, read)
    return text


def _texts(service: Installer, host: str) -> tuple[str, ...]:
    commands = (service.check_config(host), service.reload(host), service.start(host))
    return (service.name, *(command.script for command in commands))


def _counted(file_set: FileSet) -> tuple[str, ...]:
    """Return how many paths there are, and the pairs of a path and its parts, as the shell functions take them."""
    return str(len(file_set.targets)), *file_set.pairs


def _read_requirements(result: CommandResult) -> Requirements:
    lacks = tuple(dict.fromkeys(rest for word, rest in result.fields if word == "lacks"))
    seconds = dict(result.fields).get("now", "")
    return Requirements(lacks, datetime.fromtimestamp(int(seconds), UTC) if seconds.isdigit() else None)


def _read_inspection(file_set: FileSet, result: CommandResult) -> Inspection:
    """Return the leaf and the changed paths, which the host reports by their numbers: a path may have a line break."""
    numbers = [int(value) for word, value in result.fields if word == "changed" and value.isdigit()]
    changed = tuple(file_set.targets[number].path for number in numbers if number < len(file_set.targets))
    _, marker, rest = result.output.partition("-----BEGIN CERTIFICATE-----")
    return Inspection(marker + rest, changed)


def _read_progress(result: CommandResult) -> Progress:
    """Return the progress; an empty output gives an empty progress."""
    values = dict(result.fields)
    return Progress(
        tuple(_events(rest for word, rest in result.fields if word == "state")),
        values.get("live") or None,
        values.get("proven") or None,
        values.get("before") or None,
        None if values.get("lock", "free") == "free" else values["lock"],
        int(values["now"]) if values.get("now", "").isdigit() else 0,
        frozenset(rest for word, rest in result.fields if word == "rejected"),
        frozenset(rest for word, rest in result.fields if word == "staged"),
    )


def _events(lines: Iterable[str]) -> Iterator[SwitchEvent]:
    for line in lines:
        match = re.fullmatch(r"(?P<at>\d+) (?P<version>\S+) (?P<state>\S+) (?P<detail>.*)", line)
        if match:
            yield SwitchEvent(int(match["at"]), match["version"], match["state"], match["detail"])
