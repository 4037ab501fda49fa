"""The schema of the configuration file: what can be said in it, and what holds where nothing is.

It knows names and types; where the file is found is known beside it, and what a value means to whoever uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Literal


class BadConfiguration(ValueError):
    """A configuration that cannot be used; its message names the key, the place and what would be right."""


@dataclass(frozen=True, slots=True)
class Probe:
    """`[probe]`: the bounds of probing."""

    timeout_s: float | None = None
    concurrency: int | None = None
    per_address: int | None = None
    resolver: tuple[str, ...] = ()
    root_hints: str | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """`[fetch]`: addresses a certificate may make us call."""

    revocation: bool = True  # whether CRLs and OCSP responders are asked at all
    allow_private: bool = False
    proxy: str | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """`[host."GLOB"]`: what is to be known of hosts that are logged into."""

    name: str | None = None
    addresses: tuple[str, ...] = ()
    remediate: bool = True
    discover: bool = True  # else only the services that are declared here are audited on it
    folder: str | None = None  # where repairs keep keys and versions on it
    collector: str | None = None  # path of the only program that the login may run as root (sslaudit collector)


@dataclass(frozen=True, slots=True)
class Service:
    """`[[service]]`: a service that is not known here."""

    host: str
    name: str
    endpoints: tuple[str, ...]
    certificate: str
    key: str
    chain: str | None = None
    docroot: str | None = None
    test: str | None = None
    reload: str | None = None


REFERENCE: Final = 'write { env = "NAME" } or { file = "path" }'
"""How a secret stands in the configuration."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is found: an environment variable, or a file that nobody else can read."""

    env: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Issuer:
    """`[issuer.NAME]`: who orders certificates."""

    kind: str  # "store"; "cpanel" is a panel's own program, which has neither address nor token
    base_url: str | None = None
    token: Secret | None = None
    key: Literal["rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384"] = "ecdsa-p256"
    product: str = "90-day"
    ca_file: str | None = None  # what to trust it by, instead of Mozilla's anchors


@dataclass(frozen=True, slots=True)
class Remediate:
    """`[remediate]`: the bounds of a repair."""

    issuer: str | None = None
    max_cases: int = 20
    max_failures: int = 2
    proof_timeout_s: float = 60.0
    issuance_timeout_s: float = 600.0  # how long a run waits for an issuer; the next one asks about the same order
    foreign: Literal["explain", "run-owner"] = "explain"
    leave_out: tuple[str, ...] = ()  # names whose certificates are left alone; `*` stands for any text
    http_port: int = 80  # where the CA looks for the file (Baseline Requirements 3.2.2.4.18); a test CA may elsewhere


@dataclass(frozen=True, slots=True)
class Mail:
    """`[mail]`: who is told, and by which way."""

    to: tuple[str, ...] = ()
    allowed_domains: tuple[str, ...] = ()  # to which a contact that a host reports may belong, beside the host's own
    from_: str | None = None  # `from` in the file
    smtp: str | None = None
    user: str | None = None
    password: Secret | None = None
    ca_file: str | None = None  # what to trust it by, instead of the system's anchors


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole file. What is absent is None or empty; `file` is None where there is no file."""

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
    now: str | None = None
    state: str | None = None
    probe: Probe = field(default_factory=Probe)
    fetch: Fetch = field(default_factory=Fetch)
    host: Mapping[str, Host] = field(default_factory=dict)
    service: tuple[Service, ...] = ()
    issuer: Mapping[str, Issuer] = field(default_factory=dict)
    remediate: Remediate = field(default_factory=Remediate)
    mail: Mail = field(default_factory=Mail)

    def path(self, text: str) -> Path:
        """Return a path of the file, which is relative to the file's folder."""
        base = self.file.parent if self.file else Path.cwd()
        return base / Path(text).expanduser()


def secrets_in(value: Any, place: str = "") -> Iterator[tuple[str, Secret]]:  # noqa: ANN401 - any value of the schema
    """Yield every secret in a part of the configuration, with its key: those of sections to come as well."""
    if isinstance(value, Secret):
        yield place, value
    elif is_dataclass(value):
        for item in fields(value):
            yield from secrets_in(getattr(value, item.name), f"{place}.{item.name}".lstrip("."))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from secrets_in(item, f"{place}.{name}")
    elif isinstance(value, tuple):
        for number, item in enumerate(value, 1):
            yield from secrets_in(item, f"{place}.{number}")
