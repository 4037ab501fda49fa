"""Lets the tests of users that log into hosts by testinfra share the connections of the audit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

import pytest
import testinfra

from audit.host.login import share_connection

TESTINFRA_HOST: Final = "_testinfra_host"
"""The fixture of testinfra below `host`."""


class SharedLogins:
    """The hook that gives the host of a test the connection of the run.

    It looks for one at each command, so a connection that has ended costs a login and nothing else.
    """

    def __init__(self, folder: Callable[[], Path | None]) -> None:
        """Take the function that returns the directory of control sockets, None if there is none."""
        self._folder = folder

    @classmethod
    def of_worker(cls, folder: str) -> Self:
        """Return the hook of a worker of xdist; its controller has made the directory, or none (an empty text)."""
        path = Path(folder) if folder else None
        return cls(lambda: path)

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> None:
        """Share the connection before the test uses its host."""
        if fixturedef.argname != TESTINFRA_HOST:
            return
        host = getattr(request, "param", None)
        if isinstance(host, testinfra.host.Host):  # else it stands for a host that cannot be used
            share_connection(host.backend, self._folder)
