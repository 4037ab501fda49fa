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

    timeout_s: float | None = None  # deadline of one probe, in seconds; 10 without it
    concurrency: int | None = None  # probes at the same time; 64 without it
    per_address: int | None = None  # connections to one address at the same time; 2 without it
    resolver: tuple[str, ...] = ()  # addresses of name servers; without them the system's
    root_hints: str | None = None  # file of root servers, for name lookups of a repair


@dataclass(frozen=True, slots=True)
class LoginKeys:
    """`[login]`: the limits of logging into hosts."""

    concurrency: int | None = None  # hosts that are logged into and inspected at the same time; 16 without it
    timeout_s: float | None = None  # deadline of one host's login and inspection, in seconds; 60 without it


@dataclass(frozen=True, slots=True)
class Fetch:
    """`[fetch]`: what is fetched from URLs in certificates."""

    revocation: bool = True  # whether CRLs and OCSP responses are fetched at all
    allow_private: bool = False  # whether URLs may lead to private addresses
    proxy: str | None = None  # URL of an HTTP proxy


@dataclass(frozen=True, slots=True)
class CertificateTransparency:
    """`[ct]`: how SCTs are verified."""

    log_list: str | None = None  # the file of the logs, in version 3 of Chrome's format


@dataclass(frozen=True, slots=True)
class Fleet:
    """`[fleet]`: the Dask cluster of `--audit-workers tls://HOST:8786`."""

    ca: str | None = None  # file of the CA that issued the certificates of scheduler, workers and this run
    certificate: str | None = None  # file of the certificate of this run, with its intermediates
    key: str | None = None  # file of its private key, without a passphrase
    wait_s: float = 60.0  # how long the run waits while the cluster has no worker, in seconds


@dataclass(frozen=True, slots=True)
class HostSettings:
    """`[host."GLOB"]`: settings of hosts that are logged into."""

    name: str | None = None  # the name that clients use, where a service has none of its own
    addresses: tuple[str, ...] = ()  # public addresses of a host behind NAT
    remediate: bool = True  # false: certificates of this host are never repaired
    discover: bool = True  # false: only the services that are declared here are audited
    folder: str | None = None  # the directory on it for keys and versions of repairs
    collector: str | None = None  # path of the only program that the login may run as root (sslaudit collector)


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """`[[service]]`: a service that discovery does not support."""

    host: str  # glob of the hosts that have it, as --hosts names them
    name: str  # its name in results
    endpoints: tuple[str, ...]  # URLs of what it serves, such as https://api.example.com:8443
    certificate: str  # file of the certificate, with the chain unless `chain` is set
    key: str  # file of the private key
    chain: str | None = None  # file of the intermediates
    docroot: str | None = None  # document root, for validation by file
    test: str | None = None  # command that tests its configuration
    reload: str | None = None  # command that makes it read its files again


@dataclass(frozen=True, slots=True)
class ExtensionNames:
    """`[extensions]`: what the run loads from other distributions and no other key of the file names."""

    checks: tuple[str, ...] = ()  # names of checks
    services: tuple[str, ...] = ()  # names of services
    installers: tuple[str, ...] = ()  # names of installers


REFERENCE: Final = 'write { env = "NAME" } or { file = "path" }'
"""How a secret is written in the configuration."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: in an environment variable, or a file that no other user can read."""

    env: str | None = None  # the name of an environment variable
    file: str | None = None  # a file that only its owner can read

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
    enabled: bool = False  # whether pytest audits without `audit` on its command line
    hosts: tuple[str, ...] = ()  # hosts to log in to, as in --hosts
    endpoints: tuple[str, ...] = ()  # URLs of endpoints to audit from outside
    endpoints_file: str | None = None  # file with one URL on each line
    policy: tuple[str, ...] = ()  # names of policies, or TOML files; the strictest of several applies
    trust: tuple[str, ...] = ()  # sources of trust anchors: mozilla, system, or a PEM file
    fail_on: str | None = None  # lowest severity that fails the run: low, medium, high, critical
    inconclusive: str | None = None  # what an inconclusive check does: fail or report
    waivers: str | None = None  # the waivers file
    items: str | None = None  # what has a test of its own: each result (each), each endpoint or each check
    depth: str | None = None  # how much of the TLS configuration is requested: certificate, standard or full
    results: str | None = None  # file of the results, one JSON object on each line; compressed if it ends in .gz
    evidence: str | None = None  # directory in which evidence is kept
    from_evidence: str | None = None  # directory of evidence that is judged again
    evidence_key: str | None = None  # the file of the Ed25519 key that signs or verifies evidence
    operator: str | None = None  # who is responsible for the run, as evidence and results name them
    workers: str | None = None  # as --audit-workers: a number of processes, auto, dask, or tls://HOST:8786
    now: str | None = None  # the time of the judgement (RFC 3339)
    state: str | None = None  # directory of the state that outlives a run
    probe: Probe = field(default_factory=Probe)
    login: LoginKeys = field(default_factory=LoginKeys)
    fetch: Fetch = field(default_factory=Fetch)
    ct: CertificateTransparency = field(default_factory=CertificateTransparency)
    fleet: Fleet = field(default_factory=Fleet)
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
