"""The evidence of one run in its main process: the directory of the observations, whether they are kept or not."""

from __future__ import annotations

import shutil
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.config import BadConfiguration
from audit.json_codec import format_time
from audit.text import format_utc, one_line
from pytest_sslaudit.evidence.directories import (
    new_evidence,
    notes_on,
    open_evidence,
    seal,
    temporary_folder,
)
from pytest_sslaudit.evidence.exchange import Exchange
from pytest_sslaudit.evidence.files import BadEvidence
from pytest_sslaudit.evidence.manifest import MANIFEST
from pytest_sslaudit.evidence.observations import EvidenceStore
from pytest_sslaudit.evidence.provenance import Provenance, differences, provenance_of
from pytest_sslaudit.evidence.signature import read_signing_key, read_verifying_key
from pytest_sslaudit.settings import Settings

_MOST_OPERATOR: Final = 100  # characters that are shown


class RunEvidence:
    """The evidence that a run writes or reads. Without either option the observations are in a temporary directory."""

    def __init__(self, settings: Settings, *, keeps: bool) -> None:
        """Open the directory, after the key is read; `keeps` is False if nothing is observed.

        Raises pytest.UsageError.
        """
        self._settings = settings
        self._signing_key: Ed25519PrivateKey | None = None
        self._key: Ed25519PublicKey | None = None
        writes = keeps and settings.evidence is not None and settings.from_evidence is None
        if settings.evidence_key:
            self._read_key(settings.evidence_key, writes=writes)
        self._new = new_evidence(settings.evidence) if writes and settings.evidence else None
        self.store = self._store()

    def _read_key(self, file: Path, *, writes: bool) -> None:
        try:
            if writes:
                self._signing_key = read_signing_key(file)
            elif self._settings.from_evidence:
                self._key = read_verifying_key(file)
        except BadConfiguration as error:
            raise pytest.UsageError(str(error)) from error

    def _store(self) -> EvidenceStore:
        if self._settings.from_evidence:
            return open_evidence(self._settings.from_evidence, self._key)
        return self._new.store if self._new else EvidenceStore(self.temporary)

    @cached_property
    def temporary(self) -> Path:
        """The directory of files that end with the run; made when it is first needed."""
        return temporary_folder()

    @property
    def exchange(self) -> Exchange:
        """What the processes of the run exchange."""
        return Exchange(self.temporary)

    def provenance(self, started: datetime) -> Provenance:
        """Return with what the run was started; raises pytest.UsageError if trust anchors cannot be read."""
        try:
            return provenance_of(self._settings, started)
        except BadConfiguration as error:
            raise pytest.UsageError(str(error)) from error

    def seal(self, started: datetime, finished: datetime) -> str | None:
        """End evidence that is kept with its manifest; return why that failed, None if it did not."""
        if self._new is None:
            return None
        try:
            seal(self.store.folder, self.provenance(started), finished, self._signing_key)
        except (OSError, BadEvidence, pytest.UsageError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            return (
                f"evidence {self.store.folder}: {MANIFEST} could not be written ({why}): free its disk and audit again"
            )
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user of the run should know about the evidence."""
        if self._new and self._new.earlier:
            return (f"evidence {self.store.folder}: that of an earlier run was moved to {self._new.earlier}",)
        return tuple(notes_on(self.store, self._key))

    def lines(self, now: Provenance) -> tuple[str, ...]:
        """Return a line about the evidence that is judged: who kept it, and whether its signature was verified."""
        manifest = self.store.manifest
        if manifest is None:
            return ()
        kept, is_verified = manifest.provenance, self._key is not None
        signature = f"signature {'' if is_verified else 'not '}verified" if manifest.signed_by else "not signed"
        operator = one_line(kept.operator, _MOST_OPERATOR)
        changed = [f"{difference} changed since" for difference in differences(kept, now)]
        by = f"by {operator} with {kept.tool} {kept.version}"
        return ("; ".join([f"evidence: kept {format_utc(kept.started)} {by}", signature, *changed]),)

    @property
    def row(self) -> dict[str, Any] | None:
        """The evidence that is judged, as the results have it; None for a run that observes."""
        manifest = self.store.manifest
        if manifest is None:
            return None
        kept = manifest.provenance
        return {
            "started": format_time(kept.started),  # start of the run that kept it
            "operator": kept.operator,  # who kept it
            "version": kept.version,  # the version that kept it
            "signed_by": manifest.signed_by,  # SHA-256 of the public key; null if it is not signed
            # whether the signature was verified
            "signature_verified": manifest.signed_by is not None and self._key is not None,
        }

    def close(self) -> None:
        """Delete temporary files, and let other runs write into the directory."""
        if "temporary" in self.__dict__:
            shutil.rmtree(self.temporary, ignore_errors=True)
        if self._new:
            self._new.close()
