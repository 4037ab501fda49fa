"""The repair between two judgements, and the check of its sections of the configuration in every audit.

The libraries of the repair are imported only if they are needed: an audit alone does not pay for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from audit.config import Configuration
    from pytest_sslaudit.controller import Controller


def require_valid_sections(configuration: Configuration) -> None:
    """Raise BadConfiguration for a wrong key or value in a section that the repair owns."""
    if configuration.handed_on:
        from remediate.wiring import sections  # noqa: PLC0415 - as above

        sections.require_valid_sections(configuration)


def not_validated(configuration: Configuration, issuer: str | None) -> tuple[str, ...] | None:
    """Return the globs of names that no repair validates by HTTP; None for all names.

    Raises BadConfiguration if the issuer that is named has no section.
    """
    if not (configuration.handed_on or issuer):
        return None
    from remediate.wiring import sections  # noqa: PLC0415 - as above

    return sections.not_validated(configuration, issuer)


def register_remediation(config: pytest.Config, controller: Controller) -> None:
    """Register the hooks of a run with `--remediate` or `--remediate-dry-run`; raises pytest.UsageError."""
    if controller.settings.repair != "no":
        from pytest_sslaudit.remediation.hooks import Remediation  # noqa: PLC0415 - as above

        config.pluginmanager.register(Remediation(config, controller), "sslaudit-remediation")
