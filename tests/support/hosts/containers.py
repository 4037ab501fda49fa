"""Real containers on a host of the lab: podman runs them from a Debian release, and `docker` there is podman.

Each has a network namespace of its own with one cable to the host. All of it is gone with the host; the cgroups, which
are the machine's, are removed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.hosts.host import LISTENS, Host, HostFile, running_host
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.overlay import layer_of

_CGROUPS: Final = Path("/sys/fs/cgroup")
_ENGINE: Final = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_STORAGE: Final = """[storage]
driver = "vfs"
graphroot = "/containers/storage"
runroot = "/run/containers"
"""
_ROOT: Final = """
mkdir -p "/containers/$1/upper" "/containers/$1/work" "/containers/$1/root"
cd "/containers/$1"
mount -t overlay -o lowerdir=/image,upperdir=upper,workdir=work overlay root
"""
_CABLE: Final = """
ip netns add "$1"
ip link add "to$2" type veth peer name eth0 netns "$1"
ip addr add "198.18.$2.1/24" dev "to$2"
ip link set "to$2" up
ip -n "$1" addr add "198.18.$2.2/24" dev eth0
ip -n "$1" link set lo up
ip -n "$1" link set eth0 up
"""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a host; until `start` there is only its root directory."""

    host: Host
    name: str
    number: int

    @property
    def root(self) -> str:
        """Its root directory on the host."""
        return f"/containers/{self.name}/root"

    @property
    def address(self) -> str:
        """Its address."""
        return f"198.18.{self.number}.2"

    def write(self, *files: HostFile) -> None:
        """Put files there before it starts; users and groups are those of the host."""
        self.host.write(*(HostFile(f"{self.root}{file.path}", file.content, file.mode) for file in files))

    def start(self, script: str, *options: str) -> str:
        """Start it with a shell script as first process; return its id."""
        network = f"--network=ns:/run/netns/{self.name}"
        fixed = (network, f"--cgroup-parent=/{_cgroup(self.host)}", f"--name={self.name}", *options)
        return self.host.do("podman", "run", "-d", *fixed, "--rootfs", self.root, "sh", "-euc", script).strip()

    def shell(self, script: str) -> str:
        """Run a shell script in it that has to succeed; return its output."""
        return self.host.do("podman", "exec", "-i", self.name, "sh", "-euc", script)

    def wait_for(self, *ports: int) -> None:
        """Wait until all these TCP ports listen."""
        assert wait_until(lambda: set(ports) <= self._listening()), self.host.run("podman", "logs", self.name).stderr

    def _listening(self) -> set[int]:
        tables = ("cat", "/proc/net/tcp", "/proc/net/tcp6")
        lines = self.host.do("ip", "netns", "exec", self.name, *tables).splitlines()
        sockets = [line.split() for line in lines if not line.lstrip().startswith("sl")]
        return {int(local.rpartition(":")[2], 16) for _, local, _, state, *_ in sockets if state == LISTENS}


@contextmanager
def container_host(release: str, name: str) -> Iterator[Host]:
    """Start a host on which `podman` and `docker` run containers with the root directory of a release."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(running_host("containers", name, image=layer_of(release).upper))
        stack.callback(_remove_cgroups, _cgroup(host))
        stack.callback(host.run, "podman", "rm", "--all", "--force", "--time=0")
        host.write(
            HostFile("/etc/containers/containers.conf", _ENGINE),
            HostFile("/etc/containers/storage.conf", _STORAGE),
            HostFile("/usr/local/bin/docker", '#!/bin/sh\nexec podman "$@"\n', 0o755),
        )
        yield host


def new_container(host: Host, name: str, number: int) -> Container:
    """Make the root directory and the network of a container: 198.18.NUMBER.2, and .1 for the host."""
    host.do("sh", "-euc", _ROOT, "sh", name)
    host.do("sh", "-euc", _CABLE, "sh", name, str(number))
    return Container(host, name, number)


def _cgroup(host: Host) -> str:
    return f"sslaudit-test-{host.first_pid}"


def _remove_cgroups(name: str) -> None:
    """Remove what podman made in the hierarchies of the machine; nothing runs there any more."""
    for top in (*_CGROUPS.glob(f"*/{name}"), *_CGROUPS.glob(name)):
        for folder in sorted((top, *(path for path in top.rglob("*") if path.is_dir())), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
