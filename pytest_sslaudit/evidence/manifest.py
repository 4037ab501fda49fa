"""The manifest of evidence: who kept it, when and with what, and the digest of each file.

It is the last file that a run writes, so a run that did not end leaves none. Its bytes are one form of one JSON value
(keys sorted, ASCII), and it has its own digest: a changed byte is noticed without a key, and a forgery with one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.json_codec import from_json, to_json
from audit.observation import SCHEMA
from pytest_sslaudit.evidence.files import BadEvidence, content_of, digest_of, value_of
from pytest_sslaudit.evidence.provenance import Provenance
from pytest_sslaudit.evidence.signature import SIGNATURE_BYTES, is_signature, key_id

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
_DIGEST: Final = "sha256"
"""The key of the digest of the manifest itself, without this key."""
_MOST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the manifest holds. `signed_by` is the SHA-256 of the public key; `files` are SHA-256 digests by name."""

    provenance: Provenance
    finished: datetime
    files: Mapping[str, str]
    signed_by: str | None = None
    schema: int = SCHEMA


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the bytes of a manifest, which are what is signed."""
    value = to_json(manifest)
    return _canonical({**value, _DIGEST: digest_of(_canonical(value))})


def _canonical(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return the only accepted bytes of a JSON value; a line for each key, for people and for `diff`."""
    return (json.dumps(value, sort_keys=True, indent=1) + "\n").encode("ascii")


def read_manifest(folder: Path, key: Ed25519PublicKey | None) -> Manifest:
    """Read the manifest of evidence, with a key its signature too; raises BadEvidence."""
    file = folder / MANIFEST
    _require_finished(folder)
    content = content_of(file, _MOST_BYTES)
    manifest = _parsed(file, content)
    _verify(folder, manifest, content, key)
    return manifest


def _require_finished(folder: Path) -> None:
    """Raise BadEvidence if there is no manifest."""
    if (folder / MANIFEST).exists() or (folder / MANIFEST).is_symlink():
        return
    if not folder.is_dir():
        raise BadEvidence(f"evidence {folder}: there is no directory of this name")
    raise BadEvidence(
        f"evidence {folder}: it has no {MANIFEST}, because the run that wrote it was killed or is still going on, or "
        "the file was removed: audit again, or restore the file"
    )


def _parsed(file: Path, content: bytes) -> Manifest:
    damaged = f"evidence {file}: its content has changed since it was written: audit again, or restore the file"
    try:
        value = value_of(file, content)
    except BadEvidence as error:
        raise BadEvidence(damaged) from error
    if not isinstance(value, dict):
        raise BadEvidence(damaged)
    require_known_schema(file.parent, value)
    unsealed = {name: item for name, item in value.items() if name != _DIGEST}
    if _canonical(value) != content or value.get(_DIGEST) != digest_of(_canonical(unsealed)):
        raise BadEvidence(damaged)
    try:
        return from_json(Manifest, value)
    except ValueError as error:
        raise BadEvidence(f"evidence {file}: {error}") from error


def require_known_schema(folder: Path, value: Mapping[str, Any]) -> None:
    """Raise BadEvidence, which names both versions, if a value was written with another schema."""
    schema, provenance = value.get("schema"), value.get("provenance")
    if schema == SCHEMA or not isinstance(schema, int):
        return
    version = provenance.get("version") if isinstance(provenance, Mapping) else None
    by = f"pytest-sslaudit {version}" if isinstance(version, str) else "another version"
    raise BadEvidence(
        f"evidence {folder}: written with schema {schema} by {by}; this version reads schema {SCHEMA}: audit again, or "
        "judge it with the version that wrote it"
    )


def _verify(folder: Path, manifest: Manifest, content: bytes, key: Ed25519PublicKey | None) -> None:
    """Raise BadEvidence if there is a key, and the manifest is not signed with it; or if its signature is missing."""
    file = folder / SIGNATURE
    if manifest.signed_by is None:
        if key is not None:
            raise BadEvidence(
                f"evidence {folder}: it is not signed, and --audit-evidence-key requires a signature: leave the option "
                "out, or name evidence that was kept with this key"
            )
        return
    signature = content_of(file, SIGNATURE_BYTES)
    if key is None:
        return
    if manifest.signed_by != key_id(key):
        raise BadEvidence(
            f"evidence {folder}: it is signed by the key {manifest.signed_by}, and --audit-evidence-key names "
            f"{key_id(key)}: name the public key of the run that kept it"
        )
    if not is_signature(key, signature, content):
        raise BadEvidence(
            f"evidence {file}: it is not the signature of {MANIFEST}: one of both was changed after the run, so "
            "nothing in this directory is trusted; restore both, or audit again"
        )
