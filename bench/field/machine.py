"""Puts a configuration on a host, makes what it names, and starts its daemon."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.field.configuration import DAEMONS, Configuration
from tests.support.hosts.host import Host, HostFile, running_host, running_release
from tests.support.x509.ca import Leaf, issue

ADDRESS: Final = "198.18.0.7"
NAME: Final = "host.example.net"
_NAMED: Final = ("198.18.0.8", "198.18.0.9")
_HOSTS: Final = "198.18.0.8 myhost\n198.18.0.9 otherhost\n"  # that test data listens at
_KEY: Final = ec.generate_private_key(ec.SECP256R1())
"""One key for all files: any certificate of a configuration belongs to any key of it."""
_PATHS: Final = re.compile(r"[\w./@*$-]+\.(?:crt|pem|cert|cer|key|combined)\b")
_MISSING: Final = re.compile(r"""["'\s](/[\w./@-]+)["':]?[^\n]*(?:No such file|does not exist|is empty|not readable)""")
_ROUNDS: Final = 8
_MAX_ADDRESSES: Final = 8
_UNUSABLE: Final = ("0.", "127.", "169.254.", "255.", "fe80")
_START_S: Final = 5.0
_FAILED_S: Final = 0.5
_SETTLE_S: Final = 0.5


@dataclass(slots=True)
class Machine:
    """A host with a configuration.

    `started`: its daemon runs, `is_accepted`: by the daemon's own test, which printed `output`.
    """

    host: Host
    configuration: Configuration
    text: str
    started: bool = False
    is_accepted: bool = True
    output: str = ""
    made: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)


@contextmanager
def machine_with(configuration: Configuration) -> Iterator[Machine]:
    """Run a host with a configuration, and its daemon if the configuration is one that it accepts."""
    daemon = DAEMONS[configuration.daemon]
    release = configuration.overlay
    context = running_release(release, NAME) if release else running_host(daemon.overlay, NAME)
    with context as host:
        _place(host, configuration)
        machine = Machine(host, configuration, _text_of(host, configuration))
        _prepare_network(machine)
        _make_certificates(machine)
        machine.started = _start(machine)
        yield machine


def _place(host: Host, configuration: Configuration) -> None:
    daemon = DAEMONS[configuration.daemon]
    for pattern in configuration.clears:
        host.shell(f"rm -rf {pattern}")
    host.shell(daemon.setup)
    host.write(*(HostFile(path, content) for path, content in configuration.files.items()))
    for path, target in configuration.links.items():
        host.shell(f"ln -sf {shlex.quote(target)} {shlex.quote(path)}")


def _text_of(host: Host, configuration: Configuration) -> str:
    """Return everything in the daemon's directory, for the names, addresses and paths in it."""
    folder = {"exim": "exim4", "apache": "apache2", "vsftpd": "vsftpd.conf"}
    where = f"/etc/{folder.get(configuration.daemon, configuration.daemon)}"
    return host.shell(f"find {where} -type f -size -200k -exec cat {{}} + 2>/dev/null; true")


def _prepare_network(machine: Machine) -> None:
    """Give the host every address that the configuration names."""
    ipv4 = re.findall(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])", machine.text)
    ipv6 = re.findall(r"\[([0-9a-f]{1,4}:[0-9a-f:]+)\]", machine.text)
    for address in dict.fromkeys((ADDRESS, *_NAMED, *ipv4, *ipv6)):
        if not address.startswith(_UNUSABLE) and len(machine.addresses) < _MAX_ADDRESSES:
            options = ("/128", "nodad") if ":" in address else ("/32",)
            done = machine.host.run("ip", "addr", "add", address + options[0], "dev", "lo", *options[1:])
            machine.addresses += [address] if done.returncode == 0 else []
    machine.host.write(HostFile("/etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n{ADDRESS} {NAME} host\n{_HOSTS}"))


def _make_certificates(machine: Machine) -> None:
    """Make a certificate for each file that the configuration names, then for each that the daemon still misses."""
    for path in dict.fromkeys(_PATHS.findall(machine.text)):
        if "*" not in path and "$" not in path:
            _make(machine, path if path.startswith("/") else _absolute(machine, path))
    case = machine.configuration.expected or {}
    for endpoint in case.get("endpoints", ()):
        for path in filter(None, (endpoint["certificate"], endpoint["key"])):
            _make(machine, path)
    for _ in range(_ROUNDS):
        done = machine.host.run("sh", "-c", DAEMONS[machine.configuration.daemon].test)
        machine.output = done.stdout + done.stderr
        machine.is_accepted = done.returncode == 0
        missing = [path for path in _MISSING.findall(machine.output) if path not in machine.made]
        if not done.returncode or not missing:
            return
        for path in missing:
            _make(machine, path)


def _absolute(machine: Machine, path: str) -> str:
    """Return where the daemon looks for a relative path."""
    folder = {"nginx": "/etc/nginx", "apache": "/etc/apache2"}.get(machine.configuration.daemon, "/etc")
    return f"{folder}/{path}"


def _make(machine: Machine, path: str) -> None:
    machine.made.append(path)
    if machine.host.run("test", "-e", path).returncode == 0:
        return
    if "log" in PurePosixPath(path).name:
        machine.host.run("mkdir", "-p", str(PurePosixPath(path).parent))
        return
    machine.host.write(HostFile(path, combined(path), 0o644))


def combined(path: str) -> bytes:
    """Return a certificate of its own for a path, with the key that all have."""
    now = datetime.now(UTC).replace(microsecond=0)
    leaf = Leaf(path[-60:], ("x.example.net",), now - timedelta(days=1))
    identity = issue(leaf, None, key=_KEY)
    key = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key + identity.certificate.public_bytes(Encoding.PEM)


def _start(machine: Machine) -> bool:
    """Start the daemon; return whether a new socket listens."""
    daemon, before = DAEMONS[machine.configuration.daemon], machine.host.listening()
    done = machine.host.run("sh", "-c", machine.configuration.start or daemon.start)
    machine.output += done.stdout + done.stderr
    deadline = time.monotonic() + (_START_S if done.returncode == 0 else _FAILED_S)
    while time.monotonic() < deadline:
        if machine.host.listening() - before:
            time.sleep(_SETTLE_S)  # the other sockets follow
            return True
        time.sleep(0.05)
    return False
