"""The timer of `sslaudit install-timer` on a real systemd: nothing of it is left when it is removed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from pytest_sslaudit.cli.timer_units import UNITS
from tests.support.checkout import CHECKOUT
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.systemd_host import running_systemd_host

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

FILES: Final = ("__init__.py", "cli/__init__.py", "cli/timer_files.py", "cli/timer_units.py")
BEGIN: Final = """from pytest_sslaudit.cli.timer_files import Machine
from pytest_sslaudit.cli.timer_units import SERVICE, TIMER, nightly
"""
INSTALL: Final = f"""{BEGIN}
run = nightly(["/bin/false"], "03:00")
Machine().install({{SERVICE: run.service(), TIMER: run.timer()}})
"""
REMOVE: Final = f"{BEGIN}Machine().remove()\n"


@pytest.fixture(params=RELEASES)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with running_systemd_host(f"{request.param}-services", "web1.example.test") as host:
        package = CHECKOUT / "pytest_sslaudit"
        host.write(*(HostFile(f"/opt/pytest_sslaudit/{name}", (package / name).read_text()) for name in FILES))
        yield host


def python(host: Host, text: str) -> None:
    host.do("env", "-C", "/opt", "python3", "-c", text)


def units(host: Host, *options: str) -> str:
    return host.shell(f"systemctl list-units --all --plain --no-legend {' '.join(options)} '{UNITS}*'")


def test_removed_timer_leaves_no_unit_of_a_run_that_failed(host: Host) -> None:
    python(host, INSTALL)
    assert f"{UNITS}.timer" in host.do("systemctl", "list-timers", "--plain", "--no-legend")
    assert host.run("systemctl", "start", UNITS).returncode == 1
    assert f"{UNITS}.service" in units(host, "--state=failed")
    python(host, REMOVE)
    assert units(host) == ""
    assert host.shell(f"find /etc/systemd /var/lib/systemd /run/systemd -name '*{UNITS}*'") == ""
