"""A host of the lab: its own processes, files, network and name, and nothing left of it afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.hosts import roots
from tests.support.hosts.host import Host, HostFile, connect, name_hosts, running_host
from tests.support.hosts.overlay import layer_of

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]


def test_host_sees_only_its_own_name_and_processes(auditor: Host) -> None:
    assert auditor.do("hostname", "-f").strip() == "auditor.example.test"
    assert [line.split()[3] for line in auditor.ps().splitlines()[1:]] == ["cat", "ps"]


def test_host_reaches_only_the_hosts_it_is_connected_to(auditor: Host) -> None:
    with running_host("main", "far.example.test") as far:
        address = connect(auditor, far, 99)
        name_hosts(auditor, {"far.example.test": (address,)})
        far.do("nginx")
        far.wait_for(80)
        auditor.do(sys.executable, "-c", "import socket; socket.create_connection(('far.example.test', 80), 5)")
        assert "default" not in auditor.do("ip", "route") + far.do("ip", "route")


def test_file_written_on_a_host_is_on_no_other_host(auditor: Host) -> None:
    auditor.write(HostFile("/etc/lab-was-here/file", "x", 0o640, "www-data", "Debian-exim"))
    assert auditor.do("stat", "-c", "%U %G %a", "/etc/lab-was-here/file").split() == ["www-data", "Debian-exim", "640"]
    assert not Path("/etc/lab-was-here").exists()
    assert not (layer_of("main").upper / "etc/lab-was-here").exists()


def test_host_cannot_write_to_the_checkout(auditor: Host) -> None:
    assert auditor.run("touch", str(CHECKOUT / "x")).returncode != 0


def test_closed_host_leaves_no_process_and_no_file() -> None:
    mounted = Path("/proc/self/mounts").read_text()
    with running_host("main", "short.example.test") as host:
        host.shell("setsid sleep 600 > /dev/null 2>&1 &")
        pid = host.first_pid
    assert not Path(f"/proc/{pid}").exists()
    assert not [line for line in _command_lines() if line == "sleep 600"]
    assert Path("/proc/self/mounts").read_text() == mounted


def test_host_ends_with_the_process_that_started_it() -> None:
    layer = layer_of("main")
    argv = [*roots.UNSHARE, "--uts", "--ipc", "--net", "sh", "-euc", roots.BOOT, "sh"]
    read, write = os.pipe()
    first = subprocess.Popen(
        [*argv, str(layer.upper), str(layer.folder / "root"), str(CHECKOUT), "orphan"], stdin=read, stdout=-1
    )
    os.close(read)
    assert first.stdout
    assert first.stdout.readline()
    os.close(write)
    assert first.wait(10) == 0
    first.stdout.close()


def _command_lines() -> list[str]:
    lines = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        except OSError:  # it has ended meanwhile
            continue
    return lines
