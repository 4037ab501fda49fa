"""Keeps the results of workers in a file until they are reported: the memory of a run does not grow with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from audit.endpoint import Endpoint
from audit.evaluation.result import Result
from audit.fleet import results_in

_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class ResultSpool:
    """The results of the endpoints that workers have judged."""

    def __init__(self, file: Path, has_shared_key: Callable[[str], bool], on_sharing: Collection[str]) -> None:
        """Create the file.

        `on_sharing` are the ids of checks that compare a key with those of other endpoints: the results of a worker for
        them do not count where `has_shared_key`.
        """
        self._file = os.fdopen(os.open(file, _NEW, 0o600), "w+b")
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0
        self._has_shared_key, self._on_sharing = has_shared_key, on_sharing

    def add(self, endpoint: str, results: str) -> None:
        """Store the results of an endpoint, as `results_in` reads them."""
        content = results.encode()
        self._file.seek(self._end)
        self._file.write(content)
        self._places[endpoint] = (self._end, len(content))
        self._end += len(content)

    def results_of(self, endpoint: Endpoint) -> Mapping[str, Result]:
        """Return the results of an endpoint by the id of their check; none if this process judges it."""
        place = self._places.get(str(endpoint))
        if place is None:
            return {}
        self._file.seek(place[0])
        results = results_in(self._file.read(place[1]).decode())
        if self._has_shared_key(str(endpoint)):
            return {check: result for check, result in results.items() if check not in self._on_sharing}
        return results

    def close(self) -> None:
        """Close the file."""
        self._file.close()
