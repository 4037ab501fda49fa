"""What the processes of one run exchange in files: which tests the workers collected, and which keys are shared.

These files are never part of the evidence: they stand in a temporary directory that ends with the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.evaluation.key_index import SharedKeys
from audit.json_codec import to_json
from audit.observation import SCHEMA
from pytest_sslaudit.evidence.files import content_of, decoded, put_value, value_of

_SHARED_KEYS: Final = "shared-keys.json"


@dataclass(frozen=True, slots=True)
class CollectedTests:
    """The ids of the endpoints that the collected tests need, and the usage errors of these tests."""

    endpoints: tuple[str, ...]
    usage_errors: tuple[str, ...] = ()
    revocation: tuple[str, ...] = ()  # the endpoints whose revocation is judged
    deselected: tuple[str, ...] = ()  # check and endpoint of each deselected test, with a space between them
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class Exchange:
    """The directory through which the processes of a run exchange records."""

    folder: Path

    def keep_collected(self, worker: str, collected: CollectedTests) -> None:
        """Write the endpoints that the collected tests of a worker need."""
        put_value(self._of_worker(worker), to_json(collected))

    def collected(self, worker: str) -> CollectedTests:
        """Read the endpoints that the collected tests of a worker need."""
        file = self._of_worker(worker)
        return decoded(file, value_of(file, content_of(file)), CollectedTests)

    def keep_shared_keys(self, keys: SharedKeys) -> None:
        """Write which keys are shared."""
        put_value(self.folder / _SHARED_KEYS, to_json(keys))

    def shared_keys(self) -> SharedKeys:
        """Read which keys are shared."""
        file = self.folder / _SHARED_KEYS
        return decoded(file, value_of(file, content_of(file)), SharedKeys)

    def _of_worker(self, worker: str) -> Path:
        return self.folder / f"collected-{worker}.json"
