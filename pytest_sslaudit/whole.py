"""Which endpoints all built-in checks are run on: only they are known well enough to be repaired.

With `-k`, `-m`, `--lf` or a single file among the arguments nobody knows what the checks left out would have said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import pytest

from pytest_sslaudit.asked import audit_folder
from pytest_sslaudit.parametrize import endpoint_of

_OF_THE_RUN: Final = "test_run.py"  # judges no endpoint, and is collected only where there is something to judge


class Whole:
    """What was left out, as far as pytest has told."""

    def __init__(self) -> None:
        """Begin with nothing left out."""
        self._left_out: set[str] = set()

    def leave_out(self, items: Sequence[pytest.Item]) -> None:
        """Note tests that were collected and are not run."""
        self._left_out.update(_endpoints(items))

    def unfinished(self, config: pytest.Config, items: Sequence[pytest.Item]) -> frozenset[str]:
        """Return the endpoints on which not all checks are run."""
        wanted = {file for file in audit_folder().glob("test_*.py") if file.name != _OF_THE_RUN}
        is_whole = wanted <= {item.path for item in items} and not any("::" in argument for argument in config.args)
        return frozenset(self._left_out if is_whole else {*self._left_out, *_endpoints(items)})


def _endpoints(items: Iterable[pytest.Item]) -> Iterator[str]:
    yield from (str(endpoint) for item in items if (endpoint := endpoint_of(item)) is not None)
