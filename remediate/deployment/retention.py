"""Which versions are kept on a host, and which are destroyed; no configured path is ever touched here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from remediate.deployment.versions import Installation
from remediate.hosts import script
from remediate.hosts.command import Command
from remediate.hosts.workdir import HostWorkdir

FORGOTTEN_DAYS: Final = 30
"""How long a case's folder stays that nothing leads through: a month of nights in which somebody may ask for it."""


def externally_changed(installation: Installation) -> Command:
    """Return the command that prints the paths that somebody else has changed."""
    own = installation.folder.rpartition("/")[2]
    body = installation.deployment.script + script("changed_paths")
    return installation.workdir.read_only("look whose the files are", body, own, *installation.pairs)


def leaf_of(installation: Installation, name: str) -> Command:
    """Return the command that prints the leaf of a version."""
    own = installation.folder.rpartition("/")[2]
    return installation.workdir.read_only(f"look at version {name}", script("leaf"), own, name, *installation.pairs)


def prune(workdir: HostWorkdir, spared: Iterable[str]) -> Command:
    """Return the command that throws away what is not needed to go back from a success; not of the spared cases."""
    why = "throw away what no way back needs"
    return workdir.exclusive(why, script("agree", "files", "links", "prune"), str(FORGOTTEN_DAYS), *sorted(set(spared)))
