"""The sections of the configuration that the repair owns, read in every run so that a wrong key is found before it.

No connection is opened and no secret is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from audit.config import BadConfiguration, Configuration, require_private_secrets, section, sections_of
from remediate.issuers import read_issuer
from remediate.model.options import RemediateConfig
from remediate.notify.channels import read_mail


def _read_issuers(configuration: Configuration) -> None:
    for issuer in sections_of(configuration, "issuer").values():
        read_issuer(issuer)


SECTIONS: Final[Mapping[str, Callable[[Configuration], object]]] = {
    "issuer": _read_issuers,
    "remediate": lambda configuration: section(configuration, "remediate").decode(RemediateConfig),
    "mail": lambda configuration: read_mail(section(configuration, "mail")),
}
"""What decodes a section, by its key."""


def require_valid_sections(configuration: Configuration) -> None:
    """Raise BadConfiguration for a wrong key or value, and for the file of a secret that others can read."""
    for key in configuration.handed_on:
        if key not in SECTIONS:
            raise BadConfiguration(f"{configuration.file}: unknown key {key!r}; known are {', '.join(SECTIONS)}")
        SECTIONS[key](configuration)
    require_private_secrets(configuration)
