"""A host that accepts a login and never responds: the repair of the others waits for its deadline, and is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.support.hosts.fleet import leaf_of, running_fleet
from tests.support.hosts.host import Host
from tests.support.hosts.nightly_repair import prepare, rows
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

HANGING: Final = "127.0.0.2"
_SILENT: Final = """
import socket
server = socket.create_server(("127.0.0.2", 2222))
accepted = []
while True:
    accepted.append(server.accept())
"""


@contextmanager
def silent_socket(host: Host) -> Iterator[None]:
    """Accept connections on a host, and never send a byte."""
    running = host.start("python3", "-c", _SILENT)
    try:
        host.wait_for(2222)
        yield
    finally:
        running.kill()
        running.communicate()


def test_host_that_hangs_does_not_stop_the_repair_of_another(authority: Authority) -> None:
    with running_fleet(authority, "nginx", over_ssh=True) as fleet:
        night = prepare(fleet, authority, by_relay=False)
        with silent_socket(fleet.near):
            hosts = f"--hosts=ssh://root@{HANGING}:2222,{fleet.hostspec}"
            run = night.run(hosts, "--audit-host-timeout=15")
        served = fleet.leaves()
    assert {row["outcome"] for row in rows(run, "remediation")} == {"proven"}, run.explain()
    assert leaf_of(fleet.planted.old) not in served
    (hanging,) = [row for row in run.results if (row["endpoint"], row["check"]) == (f"{HANGING}/", "svc.unreachable")]
    assert (hanging["verdict"], "did not finish within" in hanging["message"]) == ("inconclusive", True), hanging
