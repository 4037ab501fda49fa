"""Makes the hosts of a specification, by testinfra, whose backends run commands with a deadline and without prompts."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from audit.host.local_command import Command, Finished, run_bounded
from audit.host.login.failures import explain, redacted
from audit.host.login.host import Host
from audit.host.login.inventory import Inventories, InventoryReading, SlowInventory
from audit.host.login.ssh_connection import SSHPASS, Bounds, Connections, SshCommand, options_for, socket_file
from audit.host.login.watcher import is_alive
from audit.observation import ProbeFailure

_SSH_OPTIONS: Final = "-T -o ClearAllForwardings=yes"
_BATCH: Final = "-o BatchMode=yes"  # no prompt for passwords, passphrases or host keys; the user's policy decides
_ONE_PROMPT: Final = "-o NumberOfPasswordPrompts=1"  # sshpass replies to it; a wrong password counts once
_CONNECT_S: Final = 10
SSH: Final = ("ssh", "safe-ssh")
"""testinfra's kinds of login that run the program ssh."""


def hosts_of(
    hostspec: str, options: Mapping[str, Any], bounds: Bounds, connections: Connections | None = None
) -> tuple[Host, ...] | ProbeFailure:
    """Return the hosts that a specification matches (many in an inventory), or the failure if it matches none.

    The bounds are those of each command, and of reading an inventory. With `connections`, all commands of a host that
    is logged into by ssh share one login of the run.
    """
    without_password = redacted(hostspec)
    given_options = {key: value for key, value in options.items() if value is not None}
    try:
        hosts = _expand(hostspec, given_options, _Making(bounds, connections))
    except SlowInventory as error:
        return ProbeFailure("login", "timeout", f"{without_password}: {error}")
    except (RuntimeError, ValueError, OSError, ImportError, AssertionError) as error:
        error_text = " ".join(redacted(f"{type(error).__name__}: {error}").split())
        unknown = ProbeFailure(
            "login", "unresolvable", f"{without_password}: the host is not known ({error_text[:300]})"
        )
        return explain(without_password, error_text) or unknown
    return hosts or ProbeFailure("login", "unresolvable", f"{without_password}: the inventory does not name this host")


@dataclass(frozen=True, slots=True)
class _Making:
    """What every host of a specification is made with."""

    bounds: Bounds
    connections: Connections | None

    def read_inventory(self, path: str | None) -> None:
        """Read an inventory, unless the run has read it already."""
        inventories = self.connections.inventories if self.connections else Inventories()
        sockets = self.connections.sockets if self.connections else None
        inventories.read(path, InventoryReading(self.bounds.timeout_s, self.bounds.stop, sockets))


def inventory_of(hostspec: str, options: Mapping[str, Any]) -> str | None:
    """Return the path of the inventory that has the hosts of a specification, or None; "" is ansible's default."""
    from testinfra.backend import parse_hostspec  # noqa: PLC0415 - 60 ms that only an audit of hosts should cost

    try:
        parsed = {**options, **parse_hostspec(hostspec)[1]}
    except ValueError:  # `hosts_of` reports it
        return None
    return (parsed.get("ansible_inventory") or "") if parsed.get("connection") == "ansible" else None


def _expand(hostspec: str, options: dict[str, Any], making: _Making) -> tuple[Host, ...]:
    from testinfra.backend import get_backends  # noqa: PLC0415 - 60 ms that only an audit of hosts should cost

    inventory = inventory_of(hostspec, options)
    if inventory is not None:
        making.read_inventory(inventory or None)
    return tuple(_host(hostspec, backend, making) for backend in get_backends([hostspec], **options))


def _host(hostspec: str, backend: Any, making: _Making) -> Host:  # noqa: ANN401 - backends differ
    label = _label(backend)
    public_spec = redacted(hostspec)
    if backend.NAME == "ansible":  # a pattern may have matched many
        _, mark, query = public_spec.partition("?")
        public_spec = f"ansible://{label}{mark}{query}"
        backend = _direct(backend) or backend
    if str(backend.get_hostname()).startswith("-"):
        raise ValueError("a host's name cannot begin with '-': ssh and docker would read it as an option")
    connection = making.connections.to(backend) if making.connections and backend.NAME in SSH else None
    bounds = making.bounds
    host = Host(label, public_spec, backend, bounds.timeout_s, stop=bounds.stop, connection=connection)
    _make_bounded(host)
    return host


def _direct(backend: Any) -> Any:  # noqa: ANN401 - backends differ
    """Return a direct login to a host of an inventory, with its or the user's sudo; None if only ansible can log in."""
    if backend.force_ansible:
        return None
    host = _host_of_inventory(backend)
    if host is None:
        return None
    direct = copy.copy(host.backend)  # testinfra keeps the original for the user's own tests
    direct.sudo = direct.sudo or backend.sudo
    direct.sudo_user = direct.sudo_user or backend.sudo_user
    return direct


def share_connection(backend: Any, folder: Callable[[], Path | None]) -> None:  # noqa: ANN401 - backends differ
    """Make a backend that is not ours use the connection that a run has to its host, while there is one.

    `folder` is the directory of the run's control sockets.
    """
    if backend.NAME == "ansible" and not backend.force_ansible:
        host = _host_of_inventory(backend)
        backend = host.backend if host else backend
    if backend.NAME not in SSH:
        return
    name, run_local = socket_file(backend), type(backend).run_local

    def run_shared(command: str, *arguments: str) -> Any:  # noqa: ANN401 - testinfra is untyped
        path = str((folder() or Path()) / name)
        if is_alive(path):
            command = command.replace("ssh ", f"ssh {options_for(path)} ", 1)
        return run_local(backend, command, *arguments)

    backend.run_local = run_shared


def _host_of_inventory(backend: Any) -> Any:  # noqa: ANN401 - as above
    return backend.ansible_runner.get_host(
        backend.host, ssh_config=backend.ssh_config, ssh_identity_file=backend.ssh_identity_file
    )


def _label(backend: Any) -> str:  # noqa: ANN401 - backends differ
    name = str(backend.get_hostname())
    return re.sub(r"[^\w.:+\[\]-]", "-", f"[{name}]" if ":" in name else name) or "host"


def _make_bounded(host: Host) -> None:
    """Make a backend run its local commands by `run_bounded`, which enforces the deadline and gives no terminal."""
    backend: Any = host.backend
    backend._encoding = "utf-8"  # noqa: SLF001 - else testinfra runs two more commands on the host

    def run_local(command: str, *arguments: str) -> Any:  # noqa: ANN401 - testinfra is untyped
        from testinfra.backend.base import CommandResult  # noqa: PLC0415 - as above

        finished = host._finished = _run_local(host, command, arguments)  # noqa: SLF001 - this is the same object's other half
        # made here, not by backend.result: that logs the command
        return CommandResult(backend, finished.rc, b"", finished.stdout, finished.stderr)

    def sudo_command(command: str, user: str | None) -> str:
        if user is None:
            return str(backend.quote("sudo -n /bin/sh -c %s", command))
        return str(backend.quote("sudo -n -u %s /bin/sh -c %s", user, command))

    backend.run_local = run_local
    backend.get_sudo_command = sudo_command
    if hasattr(backend, "ssh_extra_args"):
        _make_silent(backend)


def _run_local(host: Host, command: str, arguments: Sequence[str]) -> Finished:
    stdin = host._input  # noqa: SLF001 - as above
    if host.connection is None:
        return run_bounded(
            _local_command(host.backend, stdin, command, arguments), host.limit_s, host.stop, host.responds
        )
    ssh_command = SshCommand.of(host.backend.quote, command, arguments)
    return host.connection.run(ssh_command, stdin, Bounds(host.limit_s, host.stop, host.responds))


def _local_command(backend: Any, stdin: bytes, command: str, arguments: Sequence[str]) -> Command:  # noqa: ANN401 - as above
    """Return the local command of a login, with our input and with no password among its arguments."""
    if command.startswith(SSHPASS):
        password, *rest = arguments
        text = backend.quote(f"sshpass -e {command.removeprefix(SSHPASS)}", *rest)
        return Command(text, stdin, {"SSHPASS": password})
    if backend.NAME in ("docker", "podman", "kubectl", "openshift"):
        command = command.replace("exec ", "exec -i ", 1)  # else the command gets no input
    return Command(backend.quote(command, *arguments), stdin)


def _make_silent(backend: Any) -> None:  # noqa: ANN401 - backends differ
    """Make ssh prompt for nothing and leave no master process behind; the user's options and configuration stay."""
    batch = _ONE_PROMPT if backend.host.password else _BATCH
    extra_args = backend.ssh_extra_args or ""
    backend.ssh_extra_args = " ".join(filter(None, (_SSH_OPTIONS, batch, extra_args)))
    backend.controlpersist = 0
    backend.timeout = min(int(backend.timeout), _CONNECT_S)


def distinguish(hosts: Sequence[Host], taken: set[str] | None = None) -> tuple[Host, ...]:
    """Return the hosts with unique labels: a second `web1` gets its port, its kind of login or a number.

    Labels in `taken` are not given; those that are given are added to it.
    """
    taken = set() if taken is None else taken
    for host in hosts:
        backend: Any = host.backend
        port = getattr(getattr(backend, "host", None), "port", None)
        choices = [host.label, *([f"{host.label}:{port}"] if port else []), f"{backend.NAME}:{host.label}"]
        host.label = next(label for label in _candidates(host.label, choices) if label not in taken)
        taken.add(host.label)
    return tuple(hosts)


def _candidates(label: str, choices: Iterable[str]) -> Iterator[str]:
    yield from choices
    yield from (f"{label}+{number}" for number in count(2))
