"""The deployment for files: each new file is prepared beside the old one and renamed onto it.

The configured paths stay regular files: `replace_files.sh` renames, `restore_links.sh` converts earlier links.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from audit.observation import InstalledFile
from remediate.cpanel.panel import Panel
from remediate.deployment.base import Deployment
from remediate.deployment.switch import VERSION_FILES, SwitchedDeployment
from remediate.deployment.versions import FileSet, file_targets
from remediate.hosts import script
from remediate.hosts.command import Query
from remediate.hosts.workdir import HostWorkdir


def _locate(files: Sequence[InstalledFile], workdir: HostWorkdir, /) -> FileSet:
    return FileSet(workdir, file_targets(files, workdir.root))


REPLACE: Final = SwitchedDeployment(
    locate=_locate,
    functions=script(*VERSION_FILES, "deployment/restore_links", "deployment/replace_files"),
    needs=script("deployment/check_replaceable"),
)


def restore_interrupted(workdir: HostWorkdir) -> Query[tuple[str, ...]]:
    """Return the query that ends the switches of a case that a crash of the host interrupted: with the files of before.

    It starts the units that served before, and returns a line for each file, unit and failure.
    """
    body = script(
        *VERSION_FILES, "deployment/restore_links", "deployment/replace_files", "switch/record_state",
        "switch/restore_interrupted",
    )  # fmt: skip
    why = "restore the files of before where a crash of the host interrupted a switch"
    return Query(workdir.exclusive(why, body, timeout_s=300), lambda result: tuple(result.output.splitlines()))


def on_host(panel: Panel | None) -> Deployment:
    """Return the deployment, which every host has."""
    del panel
    return REPLACE
