"""The hosts that start with their own systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.systemd_host import running_systemd_host

pytestmark = pytest.mark.system


@pytest.mark.usefixtures("overlays")
@pytest.mark.parametrize("release", RELEASES)
def test_units_start_and_stop_and_the_host_is_gone_afterwards(release: str) -> None:
    with running_systemd_host(release, "web1.example.test") as host:
        host.shell("systemctl start nginx")
        host.wait_for(80)
        assert host.do("systemctl", "is-active", "nginx") == "active\n"
        assert host.do("hostname") == "web1.example.test\n"
        host.shell("systemctl stop nginx")
        assert host.listening() == set()
        process = Path(f"/proc/{host.first_pid}/root")
        assert process.exists()
    assert not process.exists()
