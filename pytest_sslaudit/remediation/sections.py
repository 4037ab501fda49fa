"""Checks the sections of the configuration that the repair owns, in every audit.

The repair's libraries are imported only if the configuration has such a section.
"""

from __future__ import annotations

from audit.config import Configuration


def require_valid_sections(configuration: Configuration) -> None:
    """Raise BadConfiguration for a wrong key or value in a section that the repair owns."""
    if configuration.handed_on:
        from remediate.wiring import sections  # noqa: PLC0415 - an audit without these sections does not pay for the repair

        sections.require_valid_sections(configuration)
