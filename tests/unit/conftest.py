"""Makes a unit test fail that opens a connection or starts a process: it belongs to the integration tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

import pytest

from audit.x509.lint.pkilint import is_installed

_FORBIDDEN: Final = frozenset(
    {
        "os.fork",
        "os.posix_spawn",
        "os.system",
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "subprocess.Popen",
    }
)
_running: list[str] = []
_used: list[str] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    del arguments
    if _running and event in _FORBIDDEN:
        _used.append(event)


sys.addaudithook(_note)


@pytest.fixture(autouse=True)
def no_sockets_and_no_processes(request: pytest.FixtureRequest) -> Iterator[None]:
    _running.append(request.node.nodeid)
    _used.clear()
    yield
    _running.clear()
    if _used:
        pytest.fail(f"a unit test used {', '.join(sorted(set(_used)))}: move it below tests/integration", pytrace=False)


is_installed()  # a run of pytest within a test forgets what it imported, and a compiled module cannot be imported twice
