"""Makes the directories of evidence, ends evidence with its manifest, and opens that of an earlier run."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.config.private_files import create, own_directory, safe_path
from audit.text import join_limited
from pytest_sslaudit.evidence.files import BadEvidence, content_of, digest_of, put, value_of
from pytest_sslaudit.evidence.manifest import (
    MANIFEST,
    SIGNATURE,
    Manifest,
    manifest_bytes,
    read_manifest,
    require_known_schema,
)
from pytest_sslaudit.evidence.observations import INVENTORY_FILE, EvidenceStore, is_of_evidence
from pytest_sslaudit.evidence.provenance import Provenance
from pytest_sslaudit.evidence.signature import key_id, sign

EARLIER: Final = "earlier-"
"""The beginning of the names of subdirectories that hold the evidence of earlier runs."""
_PARTIAL: Final = ".part"
_TRIAL: Final = ".writable"


@dataclass(frozen=True, slots=True)
class NewEvidence:
    """A directory of evidence that this run alone writes. `earlier` is where that of an earlier run was moved."""

    store: EvidenceStore
    lock: int
    earlier: Path | None

    def close(self) -> None:
        """Let other runs write into the directory."""
        os.close(self.lock)


def seal(folder: Path, provenance: Provenance, finished: datetime, key: Ed25519PrivateKey | None) -> None:
    """Write the manifest, and its signature before it, so that no manifest waits for one.

    Raises OSError, BadEvidence.
    """
    files = {name: digest_of(content_of(folder / name)) for name in sorted(_names(folder)) if is_of_evidence(name)}
    manifest = Manifest(provenance, finished, files, key_id(key.public_key()) if key else None)
    content = manifest_bytes(manifest)
    if key:
        put(folder / SIGNATURE, sign(key, content))
    put(folder / MANIFEST, content)


def new_evidence(folder: Path) -> NewEvidence:
    """Make the directory of evidence (0700), and move the evidence of an earlier run into a subdirectory.

    Raises pytest.UsageError, also if another run writes into the directory now.
    """
    try:
        own = own_directory(folder)
        lock = _locked(own)
        try:
            return NewEvidence(EvidenceStore(own), lock, _make_room(own))
        except OSError:
            os.close(lock)
            raise
    except OSError as error:
        raise pytest.UsageError(f"--audit-evidence {folder}: {error.strerror}") from error


def _locked(folder: Path) -> int:
    """Return the descriptor of a directory that this process alone has locked; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise OSError(0, "another run writes its evidence there now: name another directory, or wait") from error
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _make_room(folder: Path) -> Path | None:
    """Move the files of an earlier run into a subdirectory, and return it; None if there are none. Raises OSError."""
    (folder / _TRIAL).unlink(missing_ok=True)
    os.close(create(folder / _TRIAL))
    (folder / _TRIAL).unlink()
    names = [name for name in _names(folder) if _is_of_run(name)]
    if not names:
        return None
    made = min((folder / name).lstat().st_mtime for name in names)
    earlier = _new_directory(folder / f"{EARLIER}{datetime.fromtimestamp(made, UTC):%Y%m%dT%H%M%SZ}")
    for name in sorted(names, key=lambda name: name != MANIFEST):  # first: the rest cannot be read without it
        (folder / name).rename(earlier / name)
    return earlier


def _new_directory(wanted: Path) -> Path:
    for number in range(1, 1000):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            folder.mkdir(0o700)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(0, f"{wanted} and 999 other names exist: remove what you do not need")


def _names(folder: Path) -> Iterable[str]:
    return os.listdir(folder)  # noqa: PTH208 - names are what is compared


def _is_of_run(name: str) -> bool:
    is_own = name in (MANIFEST, SIGNATURE) or is_of_evidence(name)
    return is_own or name.endswith(_PARTIAL) or name.startswith("collected-") or name == "shared-keys.json"


def open_evidence(folder: Path, key: Ed25519PublicKey | None) -> EvidenceStore:
    """Return the evidence of an earlier run after its manifest is verified; raises pytest.UsageError."""
    try:
        _require_schema_of_inventory(folder)
        store = EvidenceStore(folder, read_manifest(folder, key))
        store.inventory()
    except BadEvidence as error:
        raise pytest.UsageError(str(error)) from error
    return store


def _require_schema_of_inventory(folder: Path) -> None:
    """Raise BadEvidence if an earlier version, which wrote no manifest, wrote the evidence."""
    file = folder / INVENTORY_FILE
    try:
        value: Any = value_of(file, content_of(file))
    except BadEvidence:
        return  # missing or damaged: the manifest decides
    if isinstance(value, dict):
        require_known_schema(folder, value)


def notes_on(store: EvidenceStore, key: Ed25519PublicKey | None) -> Iterator[str]:
    """Yield what a reader of evidence should know: a signature that was not verified, and files that were not read."""
    if store.manifest is None:
        return
    if store.manifest.signed_by and key is None:
        yield (
            f"evidence {store.folder}: signature not verified (key {store.manifest.signed_by}): name the public key "
            "with --audit-evidence-key"
        )
    known = {MANIFEST, *store.manifest.files, *((SIGNATURE,) if store.manifest.signed_by else ())}
    others = sorted(name for name in _names(store.folder) if name not in known and not name.startswith(EARLIER))
    if others:
        names = join_limited([ascii(name) for name in others])
        yield f"evidence {store.folder}: not read, because the manifest does not list it: {names}"


def temporary_folder() -> Path:
    """Make a directory of files that are not kept (0700), in the system's directory for temporary files."""
    place = Path(tempfile.gettempdir())
    try:
        safe_path(place)
        return Path(tempfile.mkdtemp(prefix="sslaudit-", dir=place))
    except OSError as error:
        raise pytest.UsageError(
            f"temporary files in {place}: {error.strerror}: set TMPDIR to another directory"
        ) from error
