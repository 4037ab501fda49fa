"""One login by ssh for all commands of a host: ssh's own multiplexing, over a control socket that only the run has.

The user's configuration has precedence: if it names a control socket at which a master process listens, or if it keeps
one master process for all commands itself (`ControlMaster` with `ControlPersist`), every command uses that one, and
nothing is opened or closed here.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Literal

from audit.host.local_command import Command, Finished, run_bounded, run_to_background
from audit.host.login.inventory import Inventories
from audit.host.login.jump_hosts import JumpHost, path_option
from audit.host.login.private_sockets import NAME_LENGTH, PrivateSockets
from audit.host.login.ssh_configuration import SshConfiguration, parse_configuration, shared_keys
from audit.host.login.unfinished_logins import (
    MOST_ATTEMPTS,
    SharedKey,
    UnfinishedLogins,
    is_refused,
    pause_s,
    resolved,
    why_dropped,
)
from audit.host.login.watcher import end_master, is_alive

_PERSIST_S: Final = 1800  # a master process that nothing uses ends by itself
_CONFIGURATION_S: Final = 10.0
_SSH_FAILED: Final = 255
SSHPASS: Final = "sshpass -p %s "
_WITHOUT_HANGUP: Final = """sshpass -e sh -c 'trap "" HUP; exec ssh "$@"' sh"""
_STOPPED: Final = Finished(_SSH_FAILED, b"", b"", "stopped")
Use = Literal["private", "own", "none"]
"""Which master process commands use: ours, the user's, or none because ssh made none."""


@dataclass(frozen=True, slots=True)
class SshCommand:
    """A command as testinfra gives it: the options of ssh with the host, the command on it, and a password."""

    login: str  # quoted for a shell, without the leading `ssh`
    remote: str  # quoted too
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, quote: Callable[..., Any], command: str, arguments: Sequence[str]) -> SshCommand:
        """Return the command that testinfra would run: `[sshpass -p %s] ssh OPTIONS %s %s`."""
        has_password = command.startswith(SSHPASS)
        password, words = (arguments[0], arguments[1:]) if has_password else (None, arguments)
        options = command.removeprefix(SSHPASS).removeprefix("ssh").removesuffix(" %s")
        return cls(str(quote(options, *words[:-1])), shlex.quote(words[-1]), password)

    def text(self, options: str, remote: str = "") -> str:
        """Return the text for a shell, with options that have precedence over the user's."""
        program = "ssh" if self.password is None else "sshpass -e ssh"
        return " ".join(filter(None, (program, options, self.login.strip(), remote)))

    def text_of_master(self, options: str) -> str:
        """Return the text that leaves a master process: it ignores that the terminal of sshpass ends."""
        text = self.text(options)
        return text if self.password is None else text.replace("sshpass -e ssh", _WITHOUT_HANGUP, 1)

    @property
    def names_jump(self) -> bool:
        """Whether the user gave jump hosts by `-J`, beside which ssh accepts no other way."""
        return any(word.startswith("-J") for word in shlex.split(self.login))

    @property
    def environment(self) -> dict[str, str]:
        """The environment that has the password."""
        return {} if self.password is None else {"SSHPASS": self.password}


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one command: its seconds, from when it may begin, and the event that stops the run.

    `responds` is called when the host has responded.
    """

    timeout_s: float
    stop: threading.Event = field(default_factory=threading.Event)
    responds: Callable[[], object] = bool


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How many hosts are logged into and inspected at once, and the deadline of each for that, without its waiting."""

    at_once: int = 16
    host_s: float = 60.0

    @property
    def command_s(self) -> float:
        """The deadline of one command: a host needs two, and few hosts more."""
        return self.host_s / 2


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of a run to its hosts: one for each, closed by `close`. Safe for threads."""

    limits: LoginLimits = LoginLimits()
    sockets: PrivateSockets = field(default_factory=PrivateSockets)
    unfinished: UnfinishedLogins = field(default_factory=UnfinishedLogins)
    inventories: Inventories = field(default_factory=Inventories)
    _by_name: dict[str, SshConnection] = field(default_factory=dict)
    _jumps: dict[tuple[str, str | None], dict[str, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def to(self, backend: Any) -> SshConnection:  # noqa: ANN401 - testinfra is untyped
        """Return the connection to the host of a backend of ssh, as the user gave its options."""
        name = socket_file(backend)
        with self._lock:
            return self._by_name.setdefault(name, SshConnection(self, name, backend.ssh_config))

    def to_jump(self, jump: JumpHost) -> SshConnection:
        """Return the connection to a jump host, for all hosts behind it."""
        name = jump.socket_name
        with self._lock:
            return self._by_name.setdefault(name, SshConnection(self, name, jump.ssh_config, is_jump=True))

    def configuration_of_jump(self, destination: str, ssh_config: str | None, bounds: Bounds) -> dict[str, str]:
        """Return the configuration of a jump host, which many hosts share."""
        key = destination, ssh_config
        with self._lock:
            if key in self._jumps:
                return self._jumps[key]
        file = f" -F {shlex.quote(ssh_config)}" if ssh_config else ""
        values = read_ssh_configuration(
            Command(f"ssh -G{file} {shlex.quote(destination)}", groups=self.sockets), bounds
        )
        with self._lock:
            return self._jumps.setdefault(key, values)

    def close(self) -> None:
        """Close all connections."""
        self.sockets.close()


def socket_file(backend: Any) -> str:  # noqa: ANN401 - as above
    """Return a name that differs if anything differs by which the user selects a host and a login."""
    host = backend.host
    words = (host.name, host.user, host.port, backend.ssh_config, backend.ssh_identity_file, backend.ssh_extra_args)
    return hashlib.sha256(json.dumps([str(word or "") for word in words]).encode()).hexdigest()[:NAME_LENGTH]


def options_for(path: str) -> str:
    """Return the options of ssh by which a command uses a control socket."""
    return f"-o ControlMaster=no {path_option(path)}"


def read_ssh_configuration(command: Command, bounds: Bounds) -> dict[str, str]:
    """Return what `ssh -G` prints; empty if it fails, because the login fails with the same message then."""
    printed = run_bounded(command, min(bounds.timeout_s, _CONFIGURATION_S), bounds.stop)
    return {} if printed.rc or printed.cut else parse_configuration(printed.stdout.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class _Way:
    """What a login shares with others, and the option of ssh that makes it go through a jump host."""

    keys: tuple[SharedKey, ...]
    option: str = ""


@dataclass(slots=True)
class SshConnection:
    """The connection to one host; it is opened by the first command, and again if it broke."""

    connections: Connections = field(repr=False)
    name: str
    ssh_config: str | None
    is_jump: bool = False
    logins: int = 0
    waited_s: float = 0.0  # for turns, and for the connection to a jump host
    _use: Use | None = None
    _keys: tuple[SharedKey, ...] = ()
    _jump: JumpHost | None = None  # that other hosts share
    _keys_behind: tuple[SharedKey, ...] = ()  # through the connection to the jump host
    _failures: list[Finished] = field(default_factory=list, repr=False)  # of a jump host
    _control_path: str | None = None  # the user's
    _opening: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def run(self, command: SshCommand, stdin: bytes, bounds: Bounds) -> Finished:
        """Run a command, after a login if there is no connection; waiting for a turn costs no time of its bounds."""
        with self._opening:
            self._use = self._use or self._decided(command, bounds)
            failed = self._opened(command, bounds) if self._use == "private" else None
        if failed:
            return failed
        if self._use == "private":
            local = Command(command.text(options_for(self.path), command.remote), stdin, command.environment)
            finished = self._run(local, bounds)
            if finished.cut == "timeout":  # the connection may hang: the next command shall not
                end_master(self.path)
            return finished
        return self._in_turn(Command(command.text("", command.remote), stdin, command.environment), bounds)

    def open(self, command: SshCommand, bounds: Bounds) -> Finished | None:
        """Log in if there is no connection; return the outcome if that failed, also to all who waited for it.

        A login that was refused is not tried again.
        """
        known = len(self._failures)
        with self._opening:
            last = self._failures[-1] if self._failures else None
            if last and (len(self._failures) > known or is_refused(last.stderr.decode("utf-8", "replace"))):
                return last
            self._use = self._use or self._decided(command, bounds)
            failed = self._opened(command, bounds) if self._use == "private" else None
            self._failures += [failed] if failed else []
            return failed

    @property
    def is_private(self) -> bool:
        """Whether there is a connection of the run to this host."""
        return self._use == "private"

    @property
    def path(self) -> str:
        """The path of the control socket; raises OSError."""
        return self.connections.sockets.path(self.name)

    def _run(self, local: Command, bounds: Bounds) -> Finished:
        return run_bounded(
            replace(local, groups=self.connections.sockets), bounds.timeout_s, bounds.stop, bounds.responds
        )

    def _decided(self, command: SshCommand, bounds: Bounds) -> Use:
        """Read the user's configuration, and return which master process commands use."""
        plain = replace(command, password=None)
        configuration = SshConfiguration(
            read_ssh_configuration(Command(plain.text("-G"), groups=self.connections.sockets), bounds)
        )
        route = configuration.route(
            lambda jump: self.connections.configuration_of_jump(jump, self.ssh_config, bounds),
        )
        self._keys = tuple(shared_keys(route, resolved))
        if not self.is_jump and not command.names_jump:
            self._jump = JumpHost.of(configuration, self.ssh_config)
        if self._jump:  # it resolves the name of the host, which may have no address here
            self._keys_behind = tuple(shared_keys(configuration.route_behind(self._jump.destination), lambda _: ()))
        self._control_path = configuration.control_path
        if self._control_path and (configuration.keeps_master or is_alive(self._control_path)):
            return "own"
        return "private"

    def _opened(self, command: SshCommand, bounds: Bounds) -> Finished | None:
        """Log in if no master process listens; return the outcome if that failed."""
        if is_alive(self.path):
            return None
        way = self._way(bounds)
        if isinstance(way, Finished):
            return way
        options = f"-N -o ControlMaster=yes -o ControlPersist={_PERSIST_S} {path_option(self.path)} {way.option}"
        local = Command(command.text_of_master(options.strip()), b"", command.environment, self.connections.sockets)
        attempt = partial(run_to_background, local, bounds.timeout_s, bounds.stop)
        finished = self._attempts(attempt, way.keys, bounds, is_open=True)
        if finished.rc or finished.cut:
            return finished
        if not is_alive(self.path):
            self._use = "none"
        return None

    def _way(self, bounds: Bounds) -> _Way | Finished:
        """Return how the host is reached: through a connection to its jump host, or as ssh does it."""
        if self._jump is None:
            return _Way(self._keys)
        begun, connection = time.monotonic(), self.connections.to_jump(self._jump)
        try:
            failed = connection.open(SshCommand(self._jump.login, ""), bounds)
        finally:
            self.waited_s += time.monotonic() - begun
        if failed or not connection.is_private:
            return failed or _Way(self._keys)
        return _Way(self._keys_behind, self._jump.option(connection.path))

    def _in_turn(self, local: Command, bounds: Bounds) -> Finished:
        """Run a command that may log in itself: it is not seen when it has, so it keeps its turn to the end."""
        if self._control_path and is_alive(self._control_path):
            return self._run(local, bounds)
        return self._attempts(lambda: self._run(local, bounds), self._keys, bounds, is_open=False)

    def _attempts(
        self, attempt: Callable[[], Finished], keys: Collection[SharedKey], bounds: Bounds, *, is_open: bool
    ) -> Finished:
        """Make attempts in turn with other logins until one is not dropped."""
        number = 0
        while True:
            number += 1
            begun = time.monotonic()
            with self.connections.unfinished.turn(keys, bounds.stop):
                self.waited_s += time.monotonic() - begun
                if bounds.stop.is_set():
                    return _STOPPED
                self.logins += 1
                finished = attempt()
            if not finished.rc or finished.cut or finished.stdout or number == MOST_ATTEMPTS:
                return finished
            output = finished.stderr.decode("utf-8", "replace")
            if why_dropped(output, runs_command=not is_open) is None or bounds.stop.wait(pause_s(number)):
                return finished
