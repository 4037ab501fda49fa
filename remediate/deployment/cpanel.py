"""The deployment for the services of a cPanel & WHM server: the panel installs a version by WHM API 1.

No file of the panel is written from here. `install_version.sh` has the commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from audit.observation import InstalledFile
from audit.text import join_limited
from remediate.cpanel.panel import Panel
from remediate.deployment.base import Deployment, NotDeployable
from remediate.deployment.switch import VERSION_FILES, SwitchedDeployment
from remediate.deployment.versions import FileSet, file_targets
from remediate.hosts import script
from remediate.hosts.workdir import HostWorkdir


def on_host(panel: Panel | None) -> Deployment | None:
    """Return the deployment by the panel of a host; None if the host has no panel."""
    return panel_deployment(panel) if panel else None


def panel_deployment(panel: Panel) -> SwitchedDeployment:
    """Return the deployment by this panel."""
    return SwitchedDeployment(
        locate=partial(_locate, panel),
        functions=script(*VERSION_FILES) + panel.whm_api + script("cpanel/install_version"),
        needs=panel.whm_api + script("cpanel/check_panel"),
        label=" by WHM API 1",
    )


def _locate(panel: Panel, files: Sequence[InstalledFile], workdir: HostWorkdir, /) -> FileSet | None:
    """Return the files by their default paths, None if the panel owns none of them; raises NotDeployable."""
    targets = file_targets(files, workdir.root)
    owned = [target.path for target in targets if panel.owns(target.path)]
    if not owned:
        return None
    if others := [target.path for target in targets if target.path not in owned]:
        raise NotDeployable(f"{join_limited(owned)} is installed by the panel, and {join_limited(others)} is not")
    return FileSet(workdir, tuple(replace(target, path=panel.default_path(target.path)) for target in targets))
