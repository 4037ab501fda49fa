"""Writes the directory of observations once; every worker reads it, and a later run if it is kept as evidence."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from audit.config.private_files import create, own_directory, read_regular, reserve, safe_path
from audit.endpoint import Endpoint, UnusableLine
from audit.evaluation.key_index import SharedKeys
from audit.json_codec import BadRecord, from_json, to_json
from audit.observation import SCHEMA, Accident, Observation, RevocationResponse

MANIFEST = "run.json"
SHARED_KEYS: Final = "shared-keys.json"
CONTENT: Final = re.compile(r"[0-9a-f]{64}\.der")
CONTENT_FILE: Final = "content_in"
"""The key that names the file with the content of a response."""
DIGEST: Final = "sha256"
"""The key of the digest of the observation itself: a file that was changed is not judged."""
_CHANGED: Final = "its content has changed since it was kept"
_INLINE_BYTES: Final = 4096
_MAX_BYTES: Final = 256 * 1024 * 1024  # of one file: evidence may come from another machine
Record = TypeVar("Record")
_TRIAL: Final = ".writable"
REPORT_OPTIONS = (("--html", "htmlpath"), ("--junit-xml", "xmlpath"))
OBSERVATION = re.compile(r"[0-9a-f]{32}\.json")


class BadEvidence(ValueError):
    """A file of the evidence that cannot be used; its message names the file and the fault."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run audits: its endpoints in order, its hosts, and the lines that name no endpoint."""

    started: datetime
    endpoints: tuple[Endpoint, ...]
    hosts: tuple[Endpoint, ...]
    unusable: tuple[UnusableLine, ...]
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class CollectedTests:
    """The ids of the endpoints that the collected tests need, and the usage errors of these tests."""

    endpoints: tuple[str, ...]
    usage_errors: tuple[str, ...] = ()
    revocation: tuple[str, ...] = ()  # the endpoints whose revocation is judged
    deselected: tuple[str, ...] = ()  # check and endpoint of each deselected test, with a space between them
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class EvidenceStore:
    """The directory of the evidence; every file in it is one JSON value."""

    folder: Path

    def keep_manifest(self, manifest: Manifest) -> None:
        """Write the manifest of the run."""
        self._write(MANIFEST, to_json(manifest))

    def manifest(self) -> Manifest:
        """Read the manifest of the run; raises pytest.UsageError if the directory has no evidence."""
        try:
            return self._read(MANIFEST, Manifest)
        except BadEvidence as error:
            raise pytest.UsageError(str(error)) from error

    def keep(self, observation: Observation) -> None:
        """Write an observation; a large CRL, which many endpoints share, is written once in a file of its own."""
        responses = observation.revocation or ()
        names = tuple(self._write_content(response) for response in responses)
        inline = tuple(
            replace(response, content=None) if name else response
            for response, name in zip(responses, names, strict=True)
        )
        value = to_json(replace(observation, revocation=inline if responses else observation.revocation))
        for index, name in enumerate(names):
            if name:
                value["revocation"][index][CONTENT_FILE] = name
        self._write(_name_of(observation.endpoint), {**value, DIGEST: _digest(value)})

    def observation(self, endpoint: Endpoint) -> Observation | None:
        """Read the observation of an endpoint; None if it was not observed. Raises BadEvidence."""
        file = self.file_of(endpoint)
        if not file.exists():
            return None
        observation = self._with_contents(file.name)
        if str(observation.endpoint) != str(endpoint):
            raise BadEvidence(f"evidence {file}: it is the observation of {observation.endpoint}, not of {endpoint}")
        return observation

    def observation_or_accident(self, endpoint: Endpoint, *, is_kept: bool = False) -> Observation:
        """Read the observation of an endpoint; an observation that is missing or cannot be read is an accident.

        `is_kept`: the directory is the evidence of an earlier run.
        """
        try:
            return self.observation(endpoint) or self._blank(endpoint, self._missing(endpoint, is_kept=is_kept))
        except BadEvidence as error:
            return self._blank(endpoint, Accident(str(error)))
        except Exception as error:  # noqa: BLE001 - the boundary of one endpoint: the others are still judged
            return self._blank(endpoint, Accident.of(error))

    def _missing(self, endpoint: Endpoint, *, is_kept: bool) -> Accident:
        if is_kept:
            return Accident(f"evidence {self.file_of(endpoint)}: No such file or directory")
        text = f"{endpoint} was not observed in this run"
        return Accident(text, text)

    def _blank(self, endpoint: Endpoint, accident: Accident) -> Observation:
        return Observation(endpoint, self.manifest().started, accident=accident)

    def file_of(self, endpoint: Endpoint) -> Path:
        """Return the file of the observation of an endpoint."""
        return self.folder / _name_of(endpoint)

    def _write_content(self, response: RevocationResponse) -> str:
        """Write the content of a large response to a file named by its digest; return the name, else nothing."""
        if response.content is None or len(response.content) <= _INLINE_BYTES:
            return ""
        name = hashlib.sha256(response.content).hexdigest() + ".der"
        if not (self.folder / name).exists():
            self._put(name, response.content)
        return name

    def _with_contents(self, name: str) -> Observation:
        """Read an observation, with the contents that have files of their own."""
        value = self._value(name)
        observation = self._decoded(name, value, Observation)
        if value.get(DIGEST, "") not in ("", _digest(value)):
            raise BadEvidence(f"evidence {self.folder / name}: {_CHANGED}")
        responses = tuple(
            replace(response, content=self._content(file)) if (file := str(raw.get(CONTENT_FILE, ""))) else response
            for response, raw in zip(observation.revocation or (), value.get("revocation") or (), strict=True)
        )
        return replace(observation, revocation=responses) if responses else observation

    def _content(self, name: str) -> bytes:
        if not CONTENT.fullmatch(name):
            raise BadEvidence(f"evidence in {self.folder}: {name!a} is not a file name of a response")
        try:
            return _read_once(self.folder / name)
        except OSError as error:
            raise BadEvidence(f"evidence {self.folder / name}: {error.strerror}") from error

    def keep_collected(self, worker: str, collected: CollectedTests) -> None:
        """Write the endpoints that the collected tests of a worker need."""
        self._write(f"collected-{worker}.json", to_json(collected))

    def collected(self, worker: str) -> CollectedTests:
        """Read the endpoints that the collected tests of a worker need."""
        return self._read(f"collected-{worker}.json", CollectedTests)

    def keep_shared_keys(self, keys: SharedKeys) -> None:
        """Write which keys are shared."""
        self._write(SHARED_KEYS, to_json(keys))

    def shared_keys(self) -> SharedKeys:
        """Read which keys are shared."""
        return self._read(SHARED_KEYS, SharedKeys)

    def _write(self, name: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
        self._put(name, json.dumps(value, separators=(",", ":")).encode())

    def _put(self, name: str, content: bytes) -> None:
        """Write a file under a temporary name of this process, and rename it."""
        partial = self.folder / f"{name}.{os.getpid()}.part"
        partial.unlink(missing_ok=True)
        with os.fdopen(create(partial), "wb") as stream:
            stream.write(content)
        partial.replace(self.folder / name)

    def _read(self, name: str, kind: type[Record]) -> Record:
        return self._decoded(name, self._value(name), kind)

    def _value(self, name: str) -> Any:  # noqa: ANN401 - any JSON value
        try:
            return json.loads(read_regular(self.folder / name, _MAX_BYTES))
        except OSError as error:
            raise BadEvidence(f"evidence {self.folder / name}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise BadEvidence(f"evidence {self.folder / name}: {error}") from error

    def _decoded(self, name: str, value: Any, kind: type[Record]) -> Record:  # noqa: ANN401 - as above
        try:
            if isinstance(value, dict) and value.get("schema") != SCHEMA:
                raise BadRecord(f"written with schema {value.get('schema')!r}; this version reads schema {SCHEMA}")
            return from_json(kind, value)
        except ValueError as error:
            raise BadEvidence(f"evidence {self.folder / name}: {error}") from error


@lru_cache(maxsize=16)
def _read_once(file: Path) -> bytes:
    """Return the content of a file that is named by its digest, as one object for every reader; raises BadEvidence."""
    content = read_regular(file, _MAX_BYTES)
    if hashlib.sha256(content).hexdigest() != file.stem:
        raise BadEvidence(f"evidence {file}: {_CHANGED}")
    return content


def _digest(value: Mapping[str, Any]) -> str:
    """Return the digest of a stored observation, without the key for the digest itself."""
    text = json.dumps({key: item for key, item in value.items() if key != DIGEST}, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _name_of(endpoint: Endpoint) -> str:
    return hashlib.sha256(str(endpoint).encode()).hexdigest()[:32] + ".json"


def require_writable_reports(config: pytest.Config) -> None:
    """Raise pytest.UsageError for a report that cannot be written, or that another user could redirect."""
    for flag, option in REPORT_OPTIONS:
        path = getattr(config.option, option, None)
        if path:
            require_writable(flag, _place(path))


def _place(path: str) -> Path:
    return Path(os.path.expandvars(path)).expanduser().absolute()


def require_writable(flag: str, file: Path) -> None:
    """Raise pytest.UsageError for a file that cannot be written, or that another user could redirect."""
    try:
        safe_path(file)
        file.parent.mkdir(parents=True, exist_ok=True)  # as the report itself would
        if file.is_dir():
            raise IsADirectoryError(0, "it is a directory; give the name of a file")
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            raise PermissionError(0, "it cannot be written (permission denied)")
        reserve(file)
    except FileExistsError as error:
        raise pytest.UsageError(f"{flag} {file}: {error.filename} is not a directory") from error
    except OSError as error:
        raise pytest.UsageError(f"{flag} {file}: {error.strerror}") from error


def new_evidence_store(folder: Path) -> EvidenceStore:
    """Make the directory of evidence (0700), and delete the observations of an earlier run in it."""
    try:
        own = own_directory(folder)
        for file in own.iterdir():
            if OBSERVATION.fullmatch(file.name) or CONTENT.fullmatch(file.name):
                file.unlink()
        (own / _TRIAL).unlink(missing_ok=True)
        os.close(create(own / _TRIAL))
        (own / _TRIAL).unlink()
    except OSError as error:
        raise pytest.UsageError(f"--audit-evidence {folder}: {error.strerror}") from error
    return EvidenceStore(own)


def temporary_evidence_store() -> EvidenceStore:
    """Make the directory of observations that are not kept (0700), in the system's directory for temporary files."""
    place = Path(tempfile.gettempdir())
    try:
        safe_path(place)
        return EvidenceStore(Path(tempfile.mkdtemp(prefix="sslaudit-", dir=place)))
    except OSError as error:
        raise pytest.UsageError(
            f"temporary files in {place}: {error.strerror}: set TMPDIR to another directory"
        ) from error
