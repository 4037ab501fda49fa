"""The server that forks the workers of a machine waits for all of them: their CPU time counts as that of the run."""

from __future__ import annotations

from typing import Final

import pytest

from pytest_sslaudit.fleet.worker_server import WorkerServer
from tests.support.processes import wait_until_ended

WORD: Final = "local_worker"


@pytest.mark.parametrize("are_ended", [True, False], ids=["before it is closed", "after it is closed"])
def test_server_waits_for_workers_that_end(*, are_ended: bool) -> None:
    server = WorkerServer()
    workers = [server.fork() for _ in range(3)]
    for _, connection in workers:
        connection.close()
    if are_ended:  # and the reports of that are never read
        wait_until_ended([pid for pid, _ in workers], WORD)
    assert server.close() == 0
    wait_until_ended([pid for pid, _ in workers], WORD)
