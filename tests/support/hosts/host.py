"""A host for real servers: processes, files, network and name of its own, gone when it is closed.

A host's root is a built overlay below a writable layer in memory; its first process lives as long as we hold its
standard input, so that nothing outlives a test run that is killed.
"""

from __future__ import annotations

import fcntl
import io
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from remediate.hosts.command import Command, CommandResult
from tests.support.checkout import CHECKOUT
from tests.support.hosts import roots
from tests.support.hosts.overlay import Layer, layer_of

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT: Final = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
LISTENS: Final = "0A"  # TCP_LISTEN in the kernel's tables
_READY_S: Final = 60.0  # daemons need some 50 ms; a busy machine may take a hundred times as long


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file to be put on a host."""

    path: str
    content: str | bytes
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, slots=True)
class Host:
    """A running host. `first_pid` is its first process as this machine counts.

    `network` is that of another host whose network commands are to have instead, beside the files of this one.
    """

    name: str
    first_pid: int
    network: int | None = None

    def command(self, *argv: str) -> list[str]:
        """Return what runs a command on the host; it is killed with the process that this starts."""
        network = f"--net=/proc/{self.network or self.first_pid}/ns/net"
        enter = ["nsenter", f"--target={self.first_pid}", "--mount", "--uts", "--ipc", network, "--pid"]
        return [*enter, "--root", "--wd", "setpriv", "--pdeathsig", "KILL", *argv]

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Start a command on the host and return at once."""
        return subprocess.Popen(
            self.command(*argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )

    def run(self, *argv: str, stdin: bytes = b"", timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever its exit status.

        Its output goes through files: a daemon that it leaves behind would hold a pipe open for ever.
        """
        with TemporaryFile() as output, TemporaryFile() as errors:
            done = subprocess.run(
                self.command(*argv),
                input=stdin,
                stdout=output,
                stderr=errors,
                timeout=timeout_s,
                env=ENVIRONMENT,
                check=False,
            )
            return subprocess.CompletedProcess(argv, done.returncode, _text(output), _text(errors))

    def execute(self, command: Command) -> CommandResult:
        """Run a command of a repair as a login does."""
        done = self.run("sh", "-c", command.script, "sh", *command.arguments, timeout_s=command.timeout_s)
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def do(self, *argv: str, stdin: bytes = b"") -> str:
        """Run a command that has to succeed; return its output."""
        done = self.run(*argv, stdin=stdin)
        assert done.returncode == 0, f"{self.name}: {' '.join(argv)}: {done.stdout}{done.stderr}"
        return done.stdout

    def shell(self, script: str) -> str:
        """Run a shell script that has to succeed in all its steps; return its output."""
        return self.do("sh", "-euc", script)

    def write(self, *files: HostFile) -> None:
        """Put files there with owner and mode, missing folders made, links replaced and not followed."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for file in files:
                content = file.content.encode() if isinstance(file.content, str) else file.content
                entry = tarfile.TarInfo(file.path.lstrip("/"))
                entry.size, entry.mode, entry.mtime = len(content), file.mode, int(time.time())
                entry.uname, entry.gname = file.owner, file.group
                archive.addfile(entry, io.BytesIO(content))
        self.do("tar", "--extract", "--file=-", "--directory=/", stdin=packed.getvalue())

    def read(self, path: str) -> str:
        """Return a file's text."""
        return self.do("cat", path)

    def wait_for(self, *ports: int) -> None:
        """Wait until all these TCP ports listen."""
        missing, deadline = set(ports), time.monotonic() + _READY_S
        while missing := missing - self.listening():
            assert time.monotonic() < deadline, f"{self.name}: nothing listens on {sorted(missing)}\n{self.ps()}"
            time.sleep(0.02)

    def listening(self) -> set[int]:
        """Return the TCP ports that something listens on."""
        tables = (Path(f"/proc/{self.first_pid}/net/{table}").read_text() for table in ("tcp", "tcp6"))
        sockets = [line.split() for table in tables for line in table.splitlines()[1:]]
        return {int(local.rpartition(":")[2], 16) for _, local, _, state, *_ in sockets if state == LISTENS}

    def ps(self) -> str:
        """Return the list of its processes."""
        return self.do("ps", "-e", "-o", "pid,ppid,user,args")

    def programs(self) -> list[str]:
        """Return the lines of its processes, without the first one of the host and the one that lists them."""
        return [line for line in self.ps().splitlines()[1:] if line.split()[3] not in ("cat", "ps")]


@contextmanager
def running_host(overlay: str, name: str, *, image: Path | None = None) -> Iterator[Host]:
    """Start a host of that name from a built overlay; on leaving, all of it is gone.

    With an image, the root directory of a release, it runs containers.
    """
    layer = layer_of(overlay)
    text, images = (roots.BOOT_WITH_CONTAINERS, (str(image),)) if image else (roots.BOOT, ())
    places = (str(layer.upper), str(layer.folder / "root"), str(CHECKOUT))
    with _started(layer, name, text, *places, name, *images) as host:
        yield host


@contextmanager
def running_release(release: str, name: str) -> Iterator[Host]:
    """Start a host of a whole Debian release (`debian13`, `sid`), without an init system and without the checkout."""
    layer = layer_of(release)
    with _started(layer, name, roots.BOOT_RELEASE, str(layer.upper), str(layer.folder / "root"), name) as host:
        yield host


@contextmanager
def _started(layer: Layer, name: str, script: str, *arguments: str) -> Iterator[Host]:
    with layer.locked(fcntl.LOCK_SH):
        first = subprocess.Popen(
            [*roots.UNSHARE, "--uts", "--ipc", "--net", "sh", "-euc", script, "sh", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        try:
            yield booted(first, name)
        finally:
            _end(first)


def _end(first: subprocess.Popen[str]) -> None:
    """Let the host's first process read the end of its input: the kernel ends all the others before it is gone."""
    try:
        first.communicate(timeout=_READY_S)
    finally:
        first.kill()  # --kill-child: so it goes even if something held it up
        first.wait()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def booted(first: subprocess.Popen[str], name: str) -> Host:
    """Return the host whose first process is starting, with a plain login for root and names of its own."""
    assert first.stdout is not None
    line = first.stdout.readline()
    assert line, f"{name} does not start: {first.communicate()[1]}"
    host = Host(name, int(line))
    # root logs in with a plain shell and a key: bash would read the machine's own ~/.bashrc at each command.
    host.shell(
        "ip link set lo up;"
        "sed -i 's|^root:.*|root:x:0:0:root:/root:/bin/sh|' /etc/passwd;"
        "sed -i 's|^root:[^:]*:|root:*:|' /etc/shadow;"
        "rm -rf /root/.profile /root/.bashrc /root/.ssh"
    )
    host.write(HostFile("/etc/hosts", _hosts_file({name: ()})), HostFile("/etc/resolv.conf", "options attempts:1\n"))
    return host


def name_hosts(host: Host, names: Mapping[str, tuple[str, ...]]) -> None:
    """Let a host resolve names to addresses, and nothing else."""
    host.write(HostFile("/etc/hosts", _hosts_file(names)))


def _hosts_file(names: Mapping[str, tuple[str, ...]]) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    for name, addresses in names.items():
        lines += [f"{address} {name} {name.partition('.')[0]}" for address in addresses or ("127.0.1.1",)]
    return "\n".join(lines) + "\n"


def connect(near: Host, far: Host, number: int) -> str:
    """Join two hosts by a cable of their own, 198.18.NUMBER.1 to 198.18.NUMBER.2; return the far address.

    RFC 2544 keeps that range for test networks; neither end leads anywhere else.
    """
    # Not in the near host's process namespace, so that the far end can be named by a process id of this machine.
    inside = ("nsenter", f"--target={near.first_pid}", "--mount", "--net", "--root", "--wd")
    cable = ("ip", "link", "add", "name", f"to{number}", "type", "veth", "peer", "name", f"from{number}")
    subprocess.run([*inside, *cable, "netns", str(far.first_pid)], env=ENVIRONMENT, check=True)
    for host, end, own in ((near, f"to{number}", 1), (far, f"from{number}", 2)):
        host.shell(
            f"ip addr add 198.18.{number}.{own}/24 dev {end};"
            f"ip addr add fd53:{number:x}::{own}/64 dev {end} nodad;"
            f"ip link set {end} up"
        )
    return f"198.18.{number}.2"
