"""The schema of the configuration file: its keys, their types, and their default values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from audit.json_codec import BadRecord, require_known


class BadConfiguration(ValueError):
    """A configuration that cannot be used; its message names the key, the place and the fix."""


@dataclass(frozen=True, slots=True)
class Probe:
    """`[probe]`: the limits of probing."""

    timeout_s: float | None = None
    concurrency: int | None = None
    per_address: int | None = None
    resolver: tuple[str, ...] = ()
    root_hints: str | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """`[fetch]`: what is fetched from URLs in certificates."""

    revocation: bool = True  # whether CRLs and OCSP responses are fetched at all
    allow_private: bool = False
    proxy: str | None = None


@dataclass(frozen=True, slots=True)
class CertificateTransparency:
    """`[ct]`: how SCTs are verified."""

    log_list: str | None = None  # the file of the logs, in version 3 of Chrome's format


@dataclass(frozen=True, slots=True)
class HostSettings:
    """`[host."GLOB"]`: settings of hosts that are logged into."""

    name: str | None = None
    addresses: tuple[str, ...] = ()
    remediate: bool = True
    discover: bool = True  # false: only the services that are declared here are audited
    folder: str | None = None  # the directory on it for keys and versions of repairs
    collector: str | None = None  # path of the only program that the login may run as root (sslaudit collector)


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """`[[service]]`: a service that discovery does not support."""

    host: str
    name: str
    endpoints: tuple[str, ...]
    certificate: str
    key: str
    chain: str | None = None
    docroot: str | None = None
    test: str | None = None
    reload: str | None = None


@dataclass(frozen=True, slots=True)
class ExtensionNames:
    """`[extensions]`: what the run loads from other distributions and no other key of the file names."""

    checks: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    installers: tuple[str, ...] = ()


REFERENCE: Final = 'write { env = "NAME" } or { file = "path" }'
"""How a secret is written in the configuration."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: in an environment variable, or a file that no other user can read."""

    env: str | None = None
    file: str | None = None

    @classmethod
    def from_value(cls, value: Any) -> Secret:  # noqa: ANN401 - what TOML holds
        """Return the reference that a table holds; raises BadRecord, which does not repeat a secret written there."""
        if not _is_table_of_texts(value):
            raise BadRecord(f"{REFERENCE}; never write the secret itself into the file")
        require_known(value, ("env", "file"))
        return cls(**value)


def _is_table_of_texts(value: Any) -> bool:  # noqa: ANN401 - what TOML holds
    return isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values())


HANDED_ON: Final[tuple[str, ...]] = ("issuer", "solver", "remediate", "mail", "notify", "dns")
"""The keys of sections that the audit does not own: the repair decodes them (audit.config.sections)."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole file. A missing key is None or empty; `file` is None if there is no file."""

    file: Path | None = None
    enabled: bool = False
    hosts: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    endpoints_file: str | None = None
    policy: tuple[str, ...] = ()
    trust: tuple[str, ...] = ()
    fail_on: str | None = None
    inconclusive: str | None = None
    waivers: str | None = None
    results: str | None = None
    evidence: str | None = None
    from_evidence: str | None = None
    evidence_key: str | None = None  # the file of the Ed25519 key that signs or verifies evidence
    operator: str | None = None  # who is responsible for the run, as evidence and results name them
    now: str | None = None
    state: str | None = None
    probe: Probe = field(default_factory=Probe)
    fetch: Fetch = field(default_factory=Fetch)
    ct: CertificateTransparency = field(default_factory=CertificateTransparency)
    host: Mapping[str, HostSettings] = field(default_factory=dict)
    service: tuple[ServiceSettings, ...] = ()
    extensions: ExtensionNames = field(default_factory=ExtensionNames)
    reports: Mapping[str, str] = field(default_factory=dict)  # the file of each report, by its name
    handed_on: Mapping[str, Any] = field(default_factory=dict, repr=False)  # sections by key, as TOML holds them

    def path(self, text: str) -> Path:
        """Return a path of the file, which is relative to the file's folder."""
        base = self.file.parent if self.file else Path.cwd()
        return base / Path(text).expanduser()


def secrets_in(value: Any, place: str = "") -> Iterator[tuple[str, Secret]]:  # noqa: ANN401 - any value of TOML
    """Yield every secret that a part of `handed_on` refers to, with its key.

    Each table with the form of a reference counts, under any key.
    """
    if isinstance(value, Mapping):
        if value and value.keys() <= {"env", "file"} and _is_table_of_texts(value):
            yield place, Secret(**value)
        for name, item in value.items():
            yield from secrets_in(item, f"{place}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value, 1):
            yield from secrets_in(item, f"{place}.{number}")


def programs_in(value: Any, place: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any value of TOML
    """Yield every program that a part of `handed_on` names, with its key: a list that begins with an absolute path."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from programs_in(item, f"{place}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        if value and isinstance(value[0], str) and value[0].startswith("/"):
            yield place, value[0]
        for number, item in enumerate(value, 1):
            yield from programs_in(item, f"{place}.{number}")


def files_in(value: Any, place: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any value of TOML
    """Yield every file that a part of `handed_on` names, with its key: the keys of files end in `_file`."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            key = f"{place}.{name}".lstrip(".")
            if name.endswith("_file") and isinstance(item, str):
                yield key, item
            else:
                yield from files_in(item, key)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value, 1):
            yield from files_in(item, f"{place}.{number}")
