"""The deployment for files: each new file is prepared beside the old one and renamed onto it.

The configured paths stay regular files. `replace.sh` brings a version; `links.sh` converts links of earlier versions.
"""

from __future__ import annotations

from typing import Final

from remediate.deployment.base import Deployment
from remediate.hosts import script

REPLACE: Final = Deployment(
    script("agree", "files", "links", "replace"),
    script("replace_needs"),
)
