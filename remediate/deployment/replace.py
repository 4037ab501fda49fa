"""The deployment for files: each new file is prepared beside the old one and renamed onto it.

The configured paths stay regular files: `replace_files.sh` renames, `restore_links.sh` converts earlier links.
"""

from __future__ import annotations

from typing import Final

from remediate.deployment.base import VERSION_FILES, Deployment
from remediate.hosts import script

REPLACE: Final = Deployment(
    script(*VERSION_FILES, "deployment/restore_links", "deployment/replace_files"),
    script("deployment/check_replaceable"),
)
