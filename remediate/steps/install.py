"""The step `install`: certificate and key lie ready on the host, beside those in use.

It knows versions; no service knows of one yet.
"""

from __future__ import annotations

from remediate.deployment.versions import stage
from remediate.hosts import script
from remediate.site import Site
from remediate.steps.step import So, done
from remediate.steps.wanted import version_name, version_of


class Install:
    """The first service of a set of files lays them ready for all of it."""

    def look(self, site: Site, subject: str) -> So | None:
        """Return which version lies ready for a service."""
        installation, name = site.file_set(subject).installation, version_name(site, subject)
        folder = installation.folder.rpartition("/")[2]
        command = site.premises.looking(f"look whether version {name} lies ready", script("version_look"), folder, name)
        return So(f"version {name}") if done(site, command).output.strip() else None

    def act(self, site: Site, subject: str) -> None:
        """Lay it ready; a key that is not the certificate's is refused there."""
        done(site, stage(site.file_set(subject).installation, version_of(site, subject)))
