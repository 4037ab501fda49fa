"""The configuration file: TOML to frozen values, every key checked.

It knows the schema and where the file is found; what a value means is the business of whoever uses it. A wrong key or
value raises pytest.UsageError that names the key, the place and the nearest known key.
"""

from __future__ import annotations

import difflib
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from audit.record import BadRecord, from_json


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

    allow_private: bool = False
    proxy: str | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """`[host."GLOB"]`: what is to be known of hosts that are logged into."""

    name: str | None = None
    addresses: tuple[str, ...] = ()
    remediate: bool = True


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


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is found: an environment variable, or a file that nobody else can read."""

    env: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Issuer:
    """`[issuer.NAME]`: who orders certificates."""

    kind: str
    base_url: str | None = None
    token: Secret | None = None
    key: Literal["rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384"] = "ecdsa-p256"


@dataclass(frozen=True, slots=True)
class Remediate:
    """`[remediate]`: the bounds of a repair."""

    issuer: str | None = None
    max_cases: int = 20
    max_failures: int = 2
    proof_timeout_s: float = 60.0
    foreign: Literal["explain", "run-owner"] = "explain"


@dataclass(frozen=True, slots=True)
class Mail:
    """`[mail]`: who is told, and by which way."""

    to: tuple[str, ...] = ()
    from_: str | None = None  # `from` in the file
    smtp: str | None = None
    user: str | None = None
    password: Secret | None = None


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


def read_configuration(root: Path, named: str | None) -> Configuration:
    """Read the named file, or `sslaudit.toml` or `[tool.sslaudit]` of `pyproject.toml` in the root folder."""
    if named is not None:
        return _parse(Path(named).expanduser(), _load(Path(named).expanduser()))
    own, shared = root / "sslaudit.toml", root / "pyproject.toml"
    if own.is_file():
        return _parse(own, _load(own))
    if shared.is_file():
        table = _load(shared).get("tool", {}).get("sslaudit")
        if table is not None:
            return _parse(shared, table)
    return Configuration()


def _load(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise pytest.UsageError(f"configuration {file}: {error.strerror}") from error
    except ValueError as error:
        raise pytest.UsageError(f"configuration {file}: {error}") from error


def _parse(file: Path, table: dict[str, Any]) -> Configuration:
    if "file" in table:
        raise pytest.UsageError(f"{file}: unknown key 'file'")
    _check_keys(Configuration, table, f"{file}: ")
    renamed = {**table}
    if isinstance(renamed.get("mail"), dict):
        renamed["mail"] = {_field_of(key): value for key, value in renamed["mail"].items()}
    try:
        parsed = from_json(Configuration, renamed)
    except BadRecord as error:
        raise pytest.UsageError(f"{file}: {error}") from error
    values = {item.name: getattr(parsed, item.name) for item in fields(parsed)}
    return Configuration(**{**values, "file": file.absolute()})


def _field_of(key: str) -> str:
    return "from_" if key == "from" else key


def _check_keys(kind: type, table: Mapping[str, Any], place: str) -> None:
    """Refuse every key that the schema does not have, with the nearest one that it has."""
    hints = typing.get_type_hints(kind)
    known = {name.rstrip("_"): hint for name, hint in hints.items()}
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            meant = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
            raise pytest.UsageError(f"{place}unknown key {key!r}{meant}")
        _check_nested(known[key], value, f"{place}{key}.")


def _check_nested(hint: Any, value: Any, place: str) -> None:  # noqa: ANN401 - an annotation and what TOML holds
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        hint = next(item for item in inner if item is not type(None))
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        _check_keys(hint, value, place)
    elif origin is tuple and is_dataclass(inner[0]) and isinstance(value, list):
        for number, item in enumerate(value, 1):
            _check_nested(inner[0], item, f"{place}{number}.")
    elif origin is not None and inner and inner[-1:] and is_dataclass(inner[-1]) and isinstance(value, dict):
        for key, item in value.items():
            _check_nested(inner[-1], item, f"{place}{key!r}.")
