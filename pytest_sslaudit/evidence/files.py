"""Reads and writes single files of evidence, and of what the processes of a run exchange: JSON values and bytes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final, TypeVar

from audit.config.private_files import create, read_regular
from audit.json_codec import BadRecord, compact, from_json
from audit.observation import SCHEMA
from audit.text import MAX_QUOTED

MOST_BYTES: Final = 256 * 1024 * 1024  # of one file: evidence may come from another machine
CHANGED: Final = "its content has changed since it was kept"
Record = TypeVar("Record")


class BadEvidence(ValueError):
    """A file of the evidence that cannot be used; its message names the file and the fault."""


def place_of(file: Path) -> str:
    """Return a file for a message, which cuts a long path at its end: then the name comes first."""
    return f"evidence {file}" if len(str(file)) <= MAX_QUOTED else f"evidence {file.name} in {file.parent}"


def put(file: Path, content: bytes) -> None:
    """Write a file (0600) under a temporary name of this process, and rename it."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)
    with os.fdopen(create(partial), "wb") as stream:
        stream.write(content)
    partial.replace(file)


def put_value(file: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write a JSON value."""
    put(file, compact(value).encode())


def content_of(file: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Return the content of a regular file; raises BadEvidence."""
    try:
        return read_regular(file, most_bytes)
    except OSError as error:
        raise BadEvidence(f"{place_of(file)}: {error.strerror}") from error


def value_of(file: Path, content: bytes) -> Any:  # noqa: ANN401 - as above
    """Return the JSON value that is the content of a file; raises BadEvidence."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadEvidence(f"{place_of(file)}: {error}") from error


def decoded(file: Path, value: Any, kind: type[Record]) -> Record:  # noqa: ANN401 - as above
    """Return the record that a JSON value of a file holds; raises BadEvidence, also for another schema."""
    try:
        if isinstance(value, dict) and value.get("schema") != SCHEMA:
            raise BadRecord(f"written with schema {value.get('schema')!r}; this version reads schema {SCHEMA}")
        return from_json(kind, value)
    except ValueError as error:
        raise BadEvidence(f"{place_of(file)}: {error}") from error


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a content in lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
