"""The interface of a deployment: the shell by which a version of files comes into use at their configured paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

VERSION_FILES: Final = ("key/verify_key_matches", "deployment/version_files")
"""The shell that every script about the files of versions begins with."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The shell functions that a switch calls, each with the number of paths and then each path with its parts.

    They work with the directory of the files, which is in `$folder`. `script` defines
    `is_unchanged PATH PARTS`: no other party has changed the path; `version_in_use`: prints the version in use;
    `holds_known_version`: the paths hold a version that is kept; `keep_copy`: copies what they hold to `$old.part`;
    `activate VERSION`, and `revert`, which activates `way-back`: they leave in `$said` why they failed;
    `is_untouched`: a failed `activate` changed nothing; `recover`: undoes an `activate` that was interrupted;
    `replace_links`: makes links of earlier versions of this program regular files again.
    """

    script: str
    requirements: str = ""  # shell that reports by `lacks` what a host lacks
    label: str = ""  # is added to the reason of a switch
