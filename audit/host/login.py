"""Logs into hosts by testinfra, and explains in one line why a login failed and what to do.

The explanations are made from what ssh, sudo and other programs print in the C locale.
"""

from __future__ import annotations

import copy
import json
import re
import secrets
import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from audit.host.local_command import Command, Finished, run_bounded
from audit.host.script import InvalidOutput, Script, composed, nonce_in, read_sections
from audit.observation import FailureKind, ProbeFailure, Stage
from audit.redaction import Secrets
from audit.services.model import Section

_LINE: Final = 200  # characters of a program's output that are quoted

_REASONS: Final[tuple[tuple[str, FailureKind, str], ...]] = (
    (r"sudo: .*must have a tty", "sudo",
     "sudo requires a terminal (requiretty): add 'Defaults:LOGIN !requiretty' to sudoers, or log in as root"),
    (r"account is (currently )?not available|account has expired|no logins? (is )?permitted", "denied",
     "the account of this login is closed (its shell is nologin, or it has expired): name another login"),
    (r"password has expired|password change required|required to change your password", "denied",
     "the password of this login has expired: change it, or name another login"),
    (r"allows sftp connections only|git-shell|restricted: cannot specify", "no-command",
     "this login has a shell that runs no commands: name a login with a POSIX shell"),
    (r"^Unmatched ['\"`]|: Event not found\.|^Illegal variable name\.|: Undefined variable\.", "no-command",
     "the shell of this login is csh, which cannot read the command: give it a POSIX shell (chsh -s /bin/sh)"),
    (r"sudo: .*(password is required|terminal is required|askpass)", "sudo",
     "sudo requires a password: allow this login NOPASSWD, or log in as root"),
    (r"sudo: .*(not allowed|may not run|unknown user)|is not in the sudoers|not allowed to execute", "sudo",
     "sudo does not let this login run /bin/sh"),
    (r"sudo: (command )?not found|sudo: No such file", "no-command", "there is no sudo on the host: log in as root"),
    (r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED|BadHostKey|not found in known_hosts", "host-key",
     "the host's key is unknown or has changed: compare it and put it into known_hosts"),
    (r"Permission denied|Authentication failed|AuthenticationException|Too many authentication|UNPROTECTED PRIVATE KEY",
     "denied", "the login was refused: check its user and key"),
    (r"Could not resolve|Name or service not known|No address associated|Temporary failure in name resolution|gaierror",
     "unresolvable", "the host's name has no address"),
    (r"Connection refused|Unable to connect to port", "refused", "nothing responds at the login's port"),
    (r"timed out|TimeoutError|Operation timed out", "timeout", "the host did not respond in time"),
    (r"No route to host|Network is unreachable|Host is down", "unreachable", "there is no route to the host"),
    (r"must install paramiko|No module named 'paramiko'", "no-command", "install paramiko, or write ssh://HOST"),
    (r"ansible(-inventory)?: (command )?not found", "no-command", "install ansible to use its inventory"),
    (r"(sshpass|ssh|docker|podman|kubectl|oc|lxc|salt|chroot): (command )?not found|No module named", "no-command",
     "a program that this kind of login needs is not installed here"),
    (r"No such (container|file)|NotFound|is not running|no such container", "unresolvable", "the host does not exist"),
    (r"Connection (to \S+ )?(closed|reset)|kex_exchange_identification|banner exchange", "closed",
     "the login's port closed the connection"),
)  # fmt: skip
_SSH_OPTIONS: Final = "-T -o ClearAllForwardings=yes"
_BATCH: Final = "-o BatchMode=yes"  # no prompt for passwords, passphrases or host keys; the user's policy decides
_CONNECT_S: Final = 10
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
_SSHPASS: Final = "sshpass -p %s "


def explain(hostspec: str, output: str, stage: Stage = "login") -> ProbeFailure | None:
    """Return the failure that a program's output means, with the line that shows it; None if no pattern matches."""
    for pattern, kind, meaning in _REASONS:
        if re.search(pattern, output, re.IGNORECASE | re.MULTILINE):
            return ProbeFailure(stage, kind, f"{hostspec}: {meaning} ({last_line(output, pattern)})")
    return None


def last_line(output: str, pattern: str = ".") -> str:
    """Return the last line that matches, cut to a readable length, without control characters."""
    lines = [line.strip() for line in output.splitlines() if re.search(pattern, line, re.IGNORECASE)]
    return re.sub(r"[^\x20-\x7e\xa0-\uffff]", "", lines[-1])[:_LINE] if lines else ""


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
            self.commands += 1
            self._finished = None
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
        return self._failure_of(finished, "host" if sections else "login")

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
            result = _in_time(lambda: TestinfraHost(self.backend).run(*command), self.timeout_s + _GRACE_S)
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

    def _failure_of(self, finished: Finished, stage: Stage) -> ProbeFailure:
        if finished.cut == "too-much":
            return ProbeFailure(stage, "too-much", f"{self.hostspec} printed more than {len(finished.stdout)} bytes")
        if finished.cut:
            return ProbeFailure(stage, "timeout", f"{self.hostspec} did not finish within {self.timeout_s:g} s")
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


def _in_time(work: Callable[[], Any], seconds: float) -> Any:  # noqa: ANN401 - testinfra is untyped
    """Return what `work` returns or raise what it raises; TimeoutError if it takes longer, while its thread runs on."""
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            done.set_exception(error)

    threading.Thread(target=run, name="sslaudit-login", daemon=True).start()
    return done.result(seconds)


def _bytes(result: Any, stream: str) -> bytes:  # noqa: ANN401 - testinfra is untyped
    value = getattr(result, f"_{stream}")
    return value if isinstance(value, bytes) else str(value).encode()


def _secrets(backend: Any) -> list[str]:  # noqa: ANN401 - backends differ
    password = getattr(getattr(backend, "host", None), "password", None)
    return [password] if password else []


def new_nonce() -> str:
    """Return a random word that frames one output: no text of a host can contain it by chance."""
    return f"sslaudit-{secrets.token_hex(12)}"


def redacted(hostspec: str) -> str:
    """Return a host specification without the password it may hold."""
    return re.sub(r"^((?:[\w-]+://)?[^:/@]*):[^/]*@", r"\1@", hostspec)


def limited_to(host: Host, collector: Collector) -> Host:
    """Make a host run the collector alone, by sudo unless the login is root's."""
    host.collector = collector
    host.backend.sudo = False
    return host


def hosts_of(hostspec: str, options: Mapping[str, Any], timeout_s: float) -> tuple[Host, ...] | ProbeFailure:
    """Return the hosts that a specification matches (many in an inventory), or the failure if it matches none."""
    without_password = redacted(hostspec)
    given_options = {key: value for key, value in options.items() if value is not None}
    try:
        hosts = _expand(hostspec, given_options, timeout_s)
    except (RuntimeError, ValueError, OSError, ImportError, AssertionError) as error:
        error_text = " ".join(redacted(f"{type(error).__name__}: {error}").split())
        unknown = ProbeFailure(
            "login", "unresolvable", f"{without_password}: the host is not known ({error_text[:300]})"
        )
        return explain(without_password, error_text) or unknown
    return hosts or ProbeFailure("login", "unresolvable", f"{without_password}: the inventory does not name this host")


def _expand(hostspec: str, options: dict[str, Any], timeout_s: float) -> tuple[Host, ...]:
    from testinfra.backend import get_backends, parse_hostspec  # noqa: PLC0415 - as above

    parsed = options | parse_hostspec(hostspec)[1]
    if parsed.get("connection") == "ansible":
        _read_inventory(parsed.get("ansible_inventory"), timeout_s)
    return tuple(_host(hostspec, backend, timeout_s) for backend in get_backends([hostspec], **options))


def _read_inventory(path: str | None, timeout_s: float) -> None:
    """Read the inventory for testinfra, which would wait without end if the inventory hangs or prompts."""
    from testinfra.utils.ansible_runner import AnsibleRunner  # noqa: PLC0415 - as above

    runner = AnsibleRunner.get_runner(path)
    if "inventory" in vars(runner):
        return
    inventory_option = f" -i {shlex.quote(path)}" if path else ""
    command = f"ANSIBLE_VERBOSITY=0 ansible-inventory --list{inventory_option}"
    finished = run_bounded(Command(command), timeout_s, threading.Event())
    if finished.cut:
        raise RuntimeError(f"ansible-inventory timed out after {timeout_s:g} s")
    if finished.rc != 0:
        raise RuntimeError(last_line(finished.stderr.decode("utf-8", "replace")) or f"it ended with {finished.rc}")
    runner.inventory = json.loads(finished.stdout)


def _host(hostspec: str, backend: Any, timeout_s: float) -> Host:  # noqa: ANN401 - backends differ
    label = _label(backend)
    public_spec = redacted(hostspec)
    if backend.NAME == "ansible":  # a pattern may have matched many
        _, mark, query = public_spec.partition("?")
        public_spec = f"ansible://{label}{mark}{query}"
        backend = _direct(backend) or backend
    if str(backend.get_hostname()).startswith("-"):
        raise ValueError("a host's name cannot begin with '-': ssh and docker would read it as an option")
    host = Host(label, public_spec, backend, timeout_s)
    _make_bounded(host)
    return host


def _direct(backend: Any) -> Any:  # noqa: ANN401 - backends differ
    """Return a direct login to a host of an inventory, with its or the user's sudo; None if only ansible can log in."""
    if backend.force_ansible:
        return None
    host = backend.ansible_runner.get_host(
        backend.host, ssh_config=backend.ssh_config, ssh_identity_file=backend.ssh_identity_file
    )
    if host is None:
        return None
    direct = copy.copy(host.backend)  # testinfra keeps the original for the user's own tests
    direct.sudo = direct.sudo or backend.sudo
    direct.sudo_user = direct.sudo_user or backend.sudo_user
    return direct


def _label(backend: Any) -> str:  # noqa: ANN401 - backends differ
    name = str(backend.get_hostname())
    return re.sub(r"[^\w.:+\[\]-]", "-", f"[{name}]" if ":" in name else name) or "host"


def _make_bounded(host: Host) -> None:
    """Make a backend run its local commands by `run_bounded`, which enforces the deadline and gives no terminal."""
    backend: Any = host.backend
    backend._encoding = "utf-8"  # noqa: SLF001 - else testinfra runs two more commands on the host

    def run_local(command: str, *arguments: str) -> Any:  # noqa: ANN401 - testinfra is untyped
        from testinfra.backend.base import CommandResult  # noqa: PLC0415 - as above

        finished = run_bounded(_local_command(backend, host._input, command, arguments), host.timeout_s, host.stop)  # noqa: SLF001 - as below
        host._finished = finished  # noqa: SLF001 - this is the same object's other half
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


def _local_command(backend: Any, stdin: bytes, command: str, arguments: Sequence[str]) -> Command:  # noqa: ANN401 - as above
    """Return the local command of a login, with our input and with no password among its arguments."""
    if command.startswith(_SSHPASS):
        password, *rest = arguments
        text = backend.quote(f"sshpass -e {command.removeprefix(_SSHPASS)}", *rest)
        return Command(text, stdin, {"SSHPASS": password})
    if backend.NAME in ("docker", "podman", "kubectl", "openshift"):
        command = command.replace("exec ", "exec -i ", 1)  # else the command gets no input
    return Command(backend.quote(command, *arguments), stdin)


def _make_silent(backend: Any) -> None:  # noqa: ANN401 - backends differ
    """Make ssh prompt for nothing and leave no master process behind; the user's options and configuration stay."""
    batch = "" if backend.host.password else _BATCH  # with a password, sshpass replies to the only prompt
    extra_args = backend.ssh_extra_args or ""
    backend.ssh_extra_args = " ".join(filter(None, (_SSH_OPTIONS, batch, extra_args)))
    backend.controlpersist = 0
    backend.timeout = min(int(backend.timeout), _CONNECT_S)


def distinguish(hosts: Sequence[Host]) -> tuple[Host, ...]:
    """Return the hosts with unique labels: a second `web1` gets its port, its kind of login or a number."""
    taken: set[str] = set()
    for host in hosts:
        backend: Any = host.backend
        port = getattr(getattr(backend, "host", None), "port", None)
        choices = [host.label, *([f"{host.label}:{port}"] if port else []), f"{backend.NAME}:{host.label}"]
        numbered = (f"{host.label}+{number}" for number in range(2, len(hosts) + 2))
        host.label = next(label for label in (*choices, *numbered) if label not in taken)
        taken.add(host.label)
    return tuple(hosts)
