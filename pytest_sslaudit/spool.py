"""The folder in which observations wait to be judged: each endpoint is observed once, whoever judges it.

It is also the evidence of a run: the same folder, kept, is judged again later with no network. It writes by temporary
name and rename, so that a reader never sees half a file.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from audit.endpoint import Endpoint
from audit.observation import SCHEMA, Observation
from audit.record import BadRecord, from_json, to_json
from audit.targets import UnusableLine

MANIFEST = "run.json"
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run is about: its endpoints in order, the hosts among them, and the lines that name no endpoint."""

    started: datetime
    endpoints: tuple[Endpoint, ...]
    hosts: tuple[Endpoint, ...]
    unusable: tuple[UnusableLine, ...]
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class Wanted:
    """The ids of the endpoints that collected tests want, and what is wrong with how those tests are written."""

    endpoints: tuple[str, ...]
    usage_errors: tuple[str, ...] = ()
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class Spool:
    """The folder; every file in it is one JSON value."""

    folder: Path

    def keep_manifest(self, manifest: Manifest) -> None:
        """Write what the run is about."""
        self._write(MANIFEST, to_json(manifest))

    def manifest(self) -> Manifest:
        """Read what the run is about; raises pytest.UsageError where the folder holds no evidence."""
        return self._read(MANIFEST, Manifest)

    def keep(self, observation: Observation) -> None:
        """Write what was seen of one endpoint."""
        self._write(_name_of(observation.endpoint), to_json(observation))

    def observation(self, endpoint: Endpoint) -> Observation | None:
        """Read what was seen of an endpoint; None where it was not observed."""
        name = _name_of(endpoint)
        return self._read(name, Observation) if (self.folder / name).exists() else None

    def keep_wanted(self, worker: str, wanted: Wanted) -> None:
        """Write what the collected tests of a worker want."""
        self._write(f"wanted-{worker}.json", to_json(wanted))

    def wanted(self, worker: str) -> Wanted:
        """Read what the collected tests of a worker want."""
        return self._read(f"wanted-{worker}.json", Wanted)

    def _write(self, name: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
        partial = self.folder / f"{name}.{os.getpid()}.part"
        partial.write_text(json.dumps(value, separators=(",", ":")), encoding="utf-8")
        partial.replace(self.folder / name)

    def _read(self, name: str, kind: type[Record]) -> Record:
        file = self.folder / name
        try:
            value = json.loads(file.read_text(encoding="utf-8"))
            if isinstance(value, dict) and value.get("schema") != SCHEMA:
                raise BadRecord(f"written with schema {value.get('schema')!r}; this version reads schema {SCHEMA}")
            return from_json(kind, value)
        except OSError as error:
            raise pytest.UsageError(f"evidence {file}: {error.strerror}") from error
        except ValueError as error:
            raise pytest.UsageError(f"evidence {file}: {error}") from error


def _name_of(endpoint: Endpoint) -> str:
    return hashlib.sha256(str(endpoint).encode()).hexdigest()[:32] + ".json"
