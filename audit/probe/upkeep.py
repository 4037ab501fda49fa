"""Asks a cPanel & WHM server how it keeps its certificates up: the shell for it, and how the answer is read.

It knows the panel's files; what is right is judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from audit.services.service import Section
from audit.upkeep import Upkeep

UPKEEP: Final = ""


def read_upkeep(sections: Mapping[str, Section]) -> Upkeep | None:
    """Return what the host says; None where it is no such server."""
    version = sections.get("cpanel", Section("", 1))
    return Upkeep(version.text.strip()) if version.rc == 0 and version.text.strip() else None
