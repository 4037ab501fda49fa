"""Gives each process of a test run a network of its own, and spares its garbage collector the collected tests.

Ports that one process closes and another is given would otherwise connect tests that have nothing to do with each
other, and no test can reach the machine's own services or another network.
"""

from __future__ import annotations

import contextlib
import gc
import os

import pytest

from tests.support.own_network import enter_own_network


def pytest_sessionstart(session: pytest.Session) -> None:
    """Enter it before any test starts a thread or process; another user than root shares the machine's network."""
    only_starts_others = session.config.getoption("numprocesses", default=None)
    if os.geteuid() == 0 and not only_starts_others:
        with contextlib.suppress(PermissionError):  # a container that may not: its tests share its network
            enter_own_network()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave the thousands of tests out of what the garbage collector searches: each search would take half a second."""
    gc.collect()
    gc.freeze()
