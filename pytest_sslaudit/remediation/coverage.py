"""Finds the endpoints that all built-in checks judge: only these may be repaired.

With `-k`, `-m`, `--lf` or a single file as argument, the results of the other checks are unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import pytest

from audit.probe import Target
from pytest_sslaudit.activation import checks_folder
from pytest_sslaudit.items.pairs import endpoints_of, tests_of

_WITHOUT_ENDPOINT: Final = ("test_dcv.py", "test_host.py", "test_run.py")  # of hosts and the run: -k may leave them out


class Coverage:
    """The endpoints of the tests that pytest left out."""

    def __init__(self) -> None:
        """Begin without tests that are left out."""
        self._left_out: set[str] = set()

    def leave_out(self, items: Sequence[pytest.Item]) -> None:
        """Record tests that were collected and are not run."""
        self._left_out.update(_endpoints(items))

    def unfinished(
        self, config: pytest.Config, items: Sequence[pytest.Item], targets: Iterable[Target]
    ) -> frozenset[str]:
        """Return the endpoints on which not all checks run, and those that share a file with one of them."""
        check_files = {file for file in checks_folder().glob("test_*.py") if file.name not in _WITHOUT_ENDPOINT}
        is_whole = check_files <= {test.path for item in items for test in tests_of(item)} and not any(
            "::" in argument for argument in config.args
        )
        left_out = self._left_out if is_whole else {*self._left_out, *_endpoints(items)}
        files = {str(target.endpoint): _files(target) for target in targets}
        shared = {file for endpoint in left_out for file in files.get(endpoint, ())}
        return frozenset(left_out | {endpoint for endpoint, of_endpoint in files.items() if of_endpoint & shared})


def _files(target: Target) -> frozenset[tuple[str | None, str]]:
    """Return the files of a service with their host: endpoints that share a file are repaired together."""
    server = target.server
    return frozenset((target.endpoint.host, file.real_path or file.path) for file in (server.files if server else ()))


def _endpoints(items: Iterable[pytest.Item]) -> Iterator[str]:
    yield from (str(endpoint) for item in items for endpoint in endpoints_of(item))
