"""Logins to hosts by testinfra's backends, each made to keep a deadline and to ask nobody anything.

It knows how a login fails and says so in one line without a password; it refuses to know what is run.
"""

from __future__ import annotations

import copy
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from audit.observation import FailureKind, ProbeFailure, Stage
from audit.probe.collect import read_sections
from audit.probe.run_local import Finished, run_bounded
from audit.services.service import Section

if TYPE_CHECKING:
    from testinfra.backend.base import BaseBackend

_SSH_OPTIONS: Final = "-T -o ClearAllForwardings=yes"
_BATCH: Final = "-o BatchMode=yes"  # no question about passwords, passphrases or host keys; the user's policy decides
_CONNECT_S: Final = 10
_REASONS: Final[tuple[tuple[str, FailureKind, str], ...]] = (
    (r"sudo: .*(password is required|terminal is required|must have a tty|askpass)", "sudo",
     "sudo wants a password: allow this login NOPASSWD, or log in as root"),
    (r"sudo: .*(not allowed|may not run|unknown user)|is not in the sudoers|not allowed to execute", "sudo",
     "sudo does not let this login run /bin/sh"),
    (r"sudo: (command )?not found|sudo: No such file", "no-command", "there is no sudo on the host: log in as root"),
    (r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED|BadHostKey|not found in known_hosts", "host-key",
     "the host's key is unknown or has changed: compare it and put it into known_hosts"),
    (r"Permission denied|Authentication failed|AuthenticationException|Too many authentication|UNPROTECTED PRIVATE KEY",
     "denied", "the login was refused: which key or user may log in?"),
    (r"Could not resolve|Name or service not known|No address associated|Temporary failure in name resolution|gaierror",
     "unresolvable", "the host's name has no address"),
    (r"Connection refused|Unable to connect to port", "refused", "nothing answers at the login's port"),
    (r"timed out|TimeoutError|Operation timed out", "timeout", "the host did not answer in time"),
    (r"No route to host|Network is unreachable|Host is down", "unreachable", "there is no way to the host"),
    (r"must install paramiko|No module named 'paramiko'", "no-command", "install paramiko, or write ssh://HOST"),
    (r"ansible(-inventory)?: (command )?not found", "no-command", "install ansible to use its inventory"),
    (r"(sshpass|ssh|docker|podman|kubectl|oc|lxc|salt|chroot): (command )?not found|No module named", "no-command",
     "a program that this kind of login needs is not installed here"),
    (r"No such (container|file)|NotFound|is not running|no such container", "unresolvable", "there is no such host"),
    (r"Connection (closed|reset)|kex_exchange_identification|banner exchange", "closed",
     "the login's port closed the connection"),
)  # fmt: skip


@dataclass(slots=True)
class Host:
    """One host that can be logged into: its label in ids, its specification without a password, and its backend."""

    label: str
    hostspec: str
    backend: BaseBackend
    timeout_s: float = 30.0
    stop: threading.Event = field(default_factory=threading.Event)
    commands: int = 0
    _finished: Finished | None = None

    def run(self, script: str, nonce: str) -> dict[str, Section] | ProbeFailure:
        """Run a script of sections framed by `nonce` as one command, and return the sections."""
        from testinfra.host import Host as TestinfraHost  # noqa: PLC0415 - 60 ms that only an audit of hosts should cost

        self.commands += 1
        self._finished = None
        failure = self._attempt(TestinfraHost(self.backend), script)
        finished = self._finished or Finished(255, b"", failure.encode())
        text = finished.stdout.decode("utf-8", "replace").replace("\r\n", "\n")
        sections = read_sections(nonce, text)
        if sections and not finished.cut:
            return sections
        return self._failure(finished, started=bool(sections))

    def _attempt(self, host: Any, script: str) -> str:  # noqa: ANN401 - testinfra is untyped
        """Run by testinfra, and return what it raised in text; the answer itself is kept by `run_local`."""
        try:
            result = host.run("sh -c %s", script)
        except (RuntimeError, OSError, AssertionError) as error:  # how testinfra's backends say that a login failed
            return f"{type(error).__name__}: {error}"
        except Exception as error:
            # paramiko's own exceptions, where it is installed: its module is not ours to import
            if type(error).__module__.partition(".")[0] != "paramiko":
                raise
            return f"{type(error).__name__}: {error}"
        if self._finished is None:  # a backend with a transport of its own
            self._finished = Finished(result.rc, _bytes(result, "stdout"), _bytes(result, "stderr"))
        return ""

    def _failure(self, finished: Finished, *, started: bool) -> ProbeFailure:
        stage: Stage = "host" if started else "login"
        if finished.cut == "too-much":
            return ProbeFailure(stage, "too-much", f"{self.hostspec} printed more than {len(finished.stdout)} bytes")
        if finished.cut:
            return ProbeFailure(stage, "timeout", f"{self.hostspec} did not finish within {self.timeout_s:g} s")
        said = self._said(finished)
        for pattern, kind, meaning in _REASONS:
            if re.search(pattern, said, re.IGNORECASE):
                return ProbeFailure("login", kind, f"{self.hostspec}: {meaning} ({_last_line(said, pattern)})")
        ended: FailureKind = "no-command" if finished.rc in (126, 127) else "broken"
        meaning = "no POSIX shell answers there" if ended == "no-command" else f"the login ended with {finished.rc}"
        return ProbeFailure(stage, ended, f"{self.hostspec}: {meaning} ({_last_line(said, '.') or 'it said nothing'})")

    def _said(self, finished: Finished) -> str:
        text = (finished.stderr or finished.stdout[-2000:]).decode("utf-8", "replace")[-8000:]
        for secret in _secrets(self.backend):
            text = text.replace(secret, "…")
        return text


def _last_line(said: str, pattern: str) -> str:
    """Return the line that says why: the last that fits, cut to a readable length, without control characters."""
    lines = [line.strip() for line in said.splitlines() if re.search(pattern, line, re.IGNORECASE)]
    return re.sub(r"[^\x20-\x7e\xa0-\uffff]", "", lines[-1])[:200] if lines else ""


def _bytes(result: Any, stream: str) -> bytes:  # noqa: ANN401 - testinfra is untyped
    value = getattr(result, f"_{stream}")
    return value if isinstance(value, bytes) else str(value).encode()


def _secrets(backend: Any) -> list[str]:  # noqa: ANN401 - backends differ
    password = getattr(getattr(backend, "host", None), "password", None)
    return [password] if password else []


def new_nonce() -> str:
    """Return the word that frames one answer: no host can have it in a banner."""
    return f"sslaudit-{secrets.token_hex(12)}"


def redacted(hostspec: str) -> str:
    """Return a host specification without the password it may hold."""
    return re.sub(r"^((?:[\w-]+://)?[^:/@]*):[^/]*@", r"\1@", hostspec)


def hosts_of(hostspec: str, options: Mapping[str, Any], timeout_s: float) -> tuple[Host, ...] | ProbeFailure:
    """Return the hosts a specification means (an inventory may mean many), or why it means none."""
    from testinfra.backend import get_backends  # noqa: PLC0415 - as above

    shown = redacted(hostspec)
    try:
        backends = get_backends([hostspec], **{key: value for key, value in options.items() if value is not None})
    except (RuntimeError, ValueError, OSError, ImportError, AssertionError) as error:
        return _unusable(shown, f"{type(error).__name__}: {error}")
    if not backends:
        return ProbeFailure("login", "unresolvable", f"{shown}: the inventory names no such host")
    try:
        return tuple(_host(hostspec, backend, timeout_s) for backend in backends)
    except (RuntimeError, ValueError, OSError, ImportError, AssertionError) as error:
        return _unusable(shown, f"{type(error).__name__}: {error}")


def _unusable(shown: str, said: str) -> ProbeFailure:
    line = " ".join(redacted(said).split())[:300]
    for pattern, kind, meaning in _REASONS:
        if re.search(pattern, said, re.IGNORECASE):
            return ProbeFailure("login", kind, f"{shown}: {meaning} ({line})")
    return ProbeFailure("login", "unresolvable", f"{shown}: no host is to be had from this ({line})")


def _host(hostspec: str, backend: Any, timeout_s: float) -> Host:  # noqa: ANN401 - backends differ
    label = _label(backend)
    shown = redacted(hostspec)
    if backend.NAME == "ansible":  # a pattern may have meant many
        _, mark, query = shown.partition("?")
        shown = f"ansible://{label}{mark}{query}"
        backend = _direct(backend) or backend
    host = Host(label, shown, backend, timeout_s)
    _make_bounded(host)
    return host


def _direct(backend: Any) -> Any:  # noqa: ANN401 - backends differ
    """Return a copy of the login an inventory means, with both its and the user's sudo; None: only ansible can."""
    if backend.force_ansible:
        return None
    known = backend.ansible_runner.get_host(
        backend.host, ssh_config=backend.ssh_config, ssh_identity_file=backend.ssh_identity_file
    )
    if known is None:
        return None
    direct = copy.copy(known.backend)  # testinfra keeps the original for the user's own tests
    direct.sudo = direct.sudo or backend.sudo
    direct.sudo_user = direct.sudo_user or backend.sudo_user
    return direct


def _label(backend: Any) -> str:  # noqa: ANN401 - backends differ
    name = str(backend.get_hostname())
    return re.sub(r"[^\w.:+\[\]-]", "-", f"[{name}]" if ":" in name else name) or "host"


def _make_bounded(host: Host) -> None:
    """Let a backend run its local commands by ours: the one place where deadline and silence are kept."""
    backend: Any = host.backend
    backend._encoding = "utf-8"  # noqa: SLF001 - else testinfra asks the host by two commands more

    def run_local(command: str, *arguments: str) -> Any:  # noqa: ANN401 - testinfra is untyped
        from testinfra.backend.base import CommandResult  # noqa: PLC0415 - as above

        finished = run_bounded(backend.quote(command, *arguments), host.timeout_s, host.stop)
        host._finished = finished  # noqa: SLF001 - this is the same object's other half
        # made here, not by backend.result: that logs the command, which holds the password of sshpass
        return CommandResult(backend, finished.rc, b"", finished.stdout, finished.stderr)

    def sudo_command(command: str, user: str | None) -> str:
        if user is None:
            return str(backend.quote("sudo -n /bin/sh -c %s", command))
        return str(backend.quote("sudo -n -u %s /bin/sh -c %s", user, command))

    backend.run_local = run_local
    backend.get_sudo_command = sudo_command
    if hasattr(backend, "ssh_extra_args"):
        _make_silent(backend)


def _make_silent(backend: Any) -> None:  # noqa: ANN401 - backends differ
    """Let ssh ask nothing and leave no master process behind; what the user added and configured stays."""
    batch = "" if backend.host.password else _BATCH  # with a password sshpass answers the one question there is
    given = backend.ssh_extra_args or ""
    backend.ssh_extra_args = " ".join(filter(None, (_SSH_OPTIONS, batch, given)))
    backend.controlpersist = 0
    backend.timeout = min(int(backend.timeout), _CONNECT_S)


def distinguish(hosts: Sequence[Host]) -> tuple[Host, ...]:
    """Return the hosts with labels of their own: a second `web1` is told by its port, kind of login or number."""
    taken: set[str] = set()
    for host in hosts:
        backend: Any = host.backend
        port = getattr(getattr(backend, "host", None), "port", None)
        choices = [host.label, *([f"{host.label}:{port}"] if port else []), f"{backend.NAME}:{host.label}"]
        numbered = (f"{host.label}+{number}" for number in range(2, len(hosts) + 2))
        host.label = next(label for label in (*choices, *numbered) if label not in taken)
        taken.add(host.label)
    return tuple(hosts)
