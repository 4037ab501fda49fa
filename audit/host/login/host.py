"""A host with a login: runs scripts on it by testinfra, one at a time, and reads their output."""

from __future__ import annotations

import math
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from audit.host.local_command import Finished
from audit.host.login.failures import explain, last_line
from audit.host.login.ssh_connection import SshConnection
from audit.host.login.unfinished_logins import in_time
from audit.host.script import InvalidOutput, Script, composed, nonce_in, read_sections
from audit.observation import ProbeFailure, Stage
from audit.redaction import Secrets
from audit.services.model import Section

_SSH_FAILED: Final = 255  # the exit status of ssh itself
_GRACE_S: Final = 2.0  # to end a command that exceeded its deadline
_READ_INPUT: Final = ("ssh", "safe-ssh", "local", "docker", "podman", "kubectl", "openshift", "lxc", "chroot")
"""Kinds of login whose commands read our standard input."""

# The script's shell has an environment of its own: SHELLOPTS=xtrace, exported functions and the like stay outside.
_CLEAN: Final = 'exec env -i HOME="$HOME" PATH="$PATH" sh '
_FROM_INPUT: Final = _CLEAN + "-s"
_FROM_ARGUMENT: Final = _CLEAN + '-c "$1"'
_COLLECTOR: Final = 'if [ "$(id -u)" = 0 ]; then exec "$1"; else exec sudo -n "$1"; fi'
_KEY: Final = re.compile(r"-+BEGIN [^-]*PRIVATE KEY.*?(?:-END [^-]*-+|\Z)", re.DOTALL)


if TYPE_CHECKING:
    from testinfra.backend.base import BaseBackend


@dataclass(frozen=True, slots=True)
class Collector:
    """The program that makes an audit's observations on a host: its path there, and the version it must have."""

    path: str
    version: str


@dataclass(slots=True)
class Host:
    """One host with a login: its label in ids, its specification without a password, and its backend."""

    label: str
    hostspec: str
    backend: BaseBackend
    timeout_s: float = 30.0
    collector: Collector | None = None  # the only program that this login may run as root
    stop: threading.Event = field(default_factory=threading.Event)
    responds: Callable[[], object] = bool  # called when the host has printed something
    connection: SshConnection | None = None  # shared by all commands; None: each command logs in
    budget_s: float = math.inf  # what all further commands may take together
    commands: int = 0
    _finished: Finished | None = None
    _input: bytes = field(default=b"", repr=False)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def run(self, script: Script) -> dict[str, Section] | ProbeFailure:
        """Run a script as one command, and return the sections of its output if it is complete and valid."""
        nonce = new_nonce() if self.reads_input else None
        if self.collector and (script.request is None or nonce is None):
            return ProbeFailure("host", "denied", f"{self.hostspec}: this login may only run {self.collector.path}")
        with self._one_at_a_time:
            limit_s = self.limit_s
            self.commands += 1
            self._finished = None
            with self._on_budget():
                error_text = self._attempt(self._request(script, nonce) if self.collector else composed(script, nonce))
            finished = self._finished or Finished(255, b"", error_text.encode())
        text = finished.stdout.decode("utf-8", "replace").replace("\r\n", "\n")
        nonce = nonce or nonce_in(text)
        try:
            sections = read_sections(nonce, text, script.expects) if nonce else {}
        except InvalidOutput as error:
            return ProbeFailure("host", "broken", f"{self.hostspec}: the response is not valid: {error}")
        if "done" in sections and not finished.cut:
            return sections
        return self._failure_of(finished, "host" if sections else "login", limit_s)

    @property
    def limit_s(self) -> float:
        """The deadline of the next command."""
        return min(self.timeout_s, self.budget_s)

    @property
    def logins(self) -> int:
        """How many times the host was logged into."""
        return self.connection.logins if self.connection else self.commands

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give the commands that run meanwhile these seconds in all."""
        self.budget_s = seconds
        try:
            yield
        finally:
            self.budget_s = math.inf

    @contextmanager
    def _on_budget(self) -> Iterator[None]:
        """Take the time of a command from the budget, except the time for which it waited for other logins."""
        begun, waited_s = time.monotonic(), self._waited_s
        try:
            yield
        finally:
            used_s = time.monotonic() - begun - (self._waited_s - waited_s)
            self.budget_s = max(0.0, self.budget_s - used_s)

    @property
    def _waited_s(self) -> float:
        return self.connection.waited_s if self.connection else 0.0

    @property
    def reads_input(self) -> bool:
        """Whether a command of this login reads our standard input; else the script is an argument."""
        return self.backend.NAME in _READ_INPUT

    def _request(self, script: Script, nonce: str | None) -> str:
        version = self.collector.version if self.collector else ""
        return "".join(f"{line}\n" for line in (f"sslaudit-request {version} {nonce}", *(script.request or ())))

    def _attempt(self, text: str) -> str:
        """Run a command by testinfra, keep its outcome in `_finished`, and return the text of an exception, if any."""
        from testinfra.host import Host as TestinfraHost  # noqa: PLC0415 - 60 ms that only an audit of hosts should cost

        self._input = text.encode() if self.reads_input else b""
        if self.collector:
            command: tuple[str, ...] = ("sh -c %s sh %s", _COLLECTOR, self.collector.path)
        else:
            command = ("sh -c %s", _FROM_INPUT) if self.reads_input else ("sh -c %s sh %s", _FROM_ARGUMENT, text)
        try:
            result = self._in_time(lambda: TestinfraHost(self.backend).run(*command))
        except TimeoutError:  # a backend with a transport of its own, without a deadline
            self._finished = Finished(255, b"", b"", "timeout")
            return ""
        except (RuntimeError, OSError, AssertionError) as error:  # testinfra's backends raise these if a login fails
            return f"{type(error).__name__}: {error}"
        except Exception as error:
            # paramiko's own exceptions: the package is optional and is not imported here
            if type(error).__module__.partition(".")[0] != "paramiko":
                raise
            return f"{type(error).__name__}: {error}"
        if self._finished is None:  # a backend with a transport of its own
            self._finished = Finished(result.rc, _bytes(result, "stdout"), _bytes(result, "stderr"))
        return ""

    def _in_time(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - testinfra is untyped
        """Return what `work` returns; raises TimeoutError after the deadline, which a `connection` enforces itself."""
        return work() if self.connection else in_time(work, self.limit_s + _GRACE_S)

    def _failure_of(self, finished: Finished, stage: Stage, limit_s: float) -> ProbeFailure:
        if finished.cut == "too-much":
            return ProbeFailure(stage, "too-much", f"{self.hostspec} printed more than {len(finished.stdout)} bytes")
        if finished.cut:
            return ProbeFailure(stage, "timeout", f"{self.hostspec} did not finish within {limit_s:g} s")
        output = self._output_of(finished, stage)
        if self.collector and re.search(rb"^sslaudit-collector \w+$", finished.stdout, re.MULTILINE):
            detail = f"{self.collector.path} is of another version: write it again (sslaudit collector --print)"
            return ProbeFailure("host", "broken", f"{self.hostspec}: {detail}")
        failure = explain(self.hostspec, output, stage)
        if failure:
            return failure
        last = last_line(output) or "no output"
        if finished.rc in (126, 127):
            return ProbeFailure(stage, "no-command", f"{self.hostspec}: no POSIX shell responds there ({last})")
        if not finished.stdout and not finished.stderr and finished.rc != _SSH_FAILED:
            detail = f"the login ended with {finished.rc} before any command ran: its shell may be /bin/false"
            return ProbeFailure(stage, "denied", f"{self.hostspec}: {detail}")
        return ProbeFailure(stage, "broken", f"{self.hostspec}: the login ended with {finished.rc} ({last})")

    def _output_of(self, finished: Finished, stage: Stage) -> str:
        # nologin prints to standard output while ssh prints a banner to the other; later it holds the host's files
        has_output = stage == "login" or not finished.stderr
        texts = (finished.stdout[-2000:] if has_output else b"", finished.stderr)
        octets = b"\n".join(filter(None, texts))
        text = Secrets(tuple(_secrets(self.backend))).hide(octets.decode("utf-8", "replace"))  # before it is cut
        return _KEY.sub("(a private key)", text[-8000:])


def _bytes(result: Any, stream: str) -> bytes:  # noqa: ANN401 - testinfra is untyped
    value = getattr(result, f"_{stream}")
    return value if isinstance(value, bytes) else str(value).encode()


def _secrets(backend: Any) -> list[str]:  # noqa: ANN401 - backends differ
    password = getattr(getattr(backend, "host", None), "password", None)
    return [password] if password else []


def new_nonce() -> str:
    """Return a random word that frames one output: no text of a host can contain it by chance."""
    return f"sslaudit-{secrets.token_hex(12)}"


def limited_to(host: Host, collector: Collector) -> Host:
    """Make a host run the collector alone, by sudo unless the login is root's."""
    host.collector = collector
    host.backend.sudo = False
    return host
