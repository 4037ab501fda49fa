"""Sections of the configuration that the audit does not own, decoded by the type that their owner declares.

A wrong key or value raises BadConfiguration that names file, section, key and the nearest known key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from audit.config.schema import BadConfiguration, Configuration, Secret
from audit.config.secret import read_secret
from audit.json_codec import BadRecord, from_table
from audit.redaction import without_password

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ConfigSection:
    """A table as TOML holds it, and its key: `mail`, or `issuer.NAME`."""

    configuration: Configuration
    key: str
    table: Any = field(repr=False)

    def decode(self, kind: type[T]) -> T:
        """Return the section as a record of that type; raises BadConfiguration."""
        try:
            return from_table(kind, self.table)
        except BadRecord as error:
            raise self.bad(without_password(str(error))) from None

    @property
    def place(self) -> str:
        """The file and the section, as messages begin."""
        return f"{self.configuration.file or 'configuration'}: [{self.key}]"

    def bad(self, reason: str) -> BadConfiguration:
        """Return an error that begins with file and section."""
        return BadConfiguration(f"{self.place}: {reason}")

    def path(self, name: str | None) -> str | None:
        """Return the path of a file that the section names, which is relative to the configuration's folder."""
        return str(self.configuration.path(name)) if name else None

    def secret(self, name: str, secret: Secret) -> Callable[[], str]:
        """Return a function that reads a secret of the section; raises BadConfiguration if it cannot be read now."""
        key = f"{self.key}.{name}"
        read_secret(self.configuration, key, secret)
        return lambda: read_secret(self.configuration, key, secret)


def section(configuration: Configuration, key: str) -> ConfigSection:
    """Return the section of that key, an empty one if the file does not have it."""
    return ConfigSection(configuration, key, configuration.handed_on.get(key, {}))


def subsections(configuration: Configuration, key: str) -> Mapping[str, ConfigSection]:
    """Return the sections `[KEY.NAME]` by name; raises BadConfiguration if `KEY` is not a table."""
    tables = section(configuration, key)
    names = tables.decode(dict[str, Any])
    return {name: ConfigSection(configuration, f"{key}.{name}", table) for name, table in names.items()}
