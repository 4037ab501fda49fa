"""The types of services and panels: process names, the script for the host, listeners, and the configuration dump."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Final

from audit.observation import FileKind, InstalledFile, ProxyProtocol
from audit.observation.website import ANY_IPV4, ANY_IPV6, Website

ANY: Final = (ANY_IPV4, ANY_IPV6)
LOOPBACK: Final = ("127.0.0.1", "::1")
MAX_SCRIPT_BYTES: Final = 16_384  # of one service: some logins pass the shell of all as one argument of 128 KiB
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PROCESS: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,14}")
_OPTION: Final = re.compile(r"--?[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that a configuration names, and its use; a combined PEM file appears once for each use.

    `is_prompted` of a key: the service prompts a person for its passphrase if it is encrypted.
    """

    kind: FileKind
    path: str
    is_prompted: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """One scheme on one port under the names of one configuration block.

    `addresses` are as bound (`0.0.0.0` and `::` for all addresses of a family). `names` are concrete names; without
    one, the listener has the name of the host. `files` are in pairs as configured: certificate, key, certificate, key.
    `is_default` is for one without names: it has those that no other listener of its service has at its addresses.
    `unread` has a message for each value that the configuration leaves to run time or hides. `proxy_protocol` is which
    clients must send the header of the PROXY protocol before anything else.
    """

    scheme: str
    port: int
    addresses: tuple[str, ...] = ANY
    names: tuple[str, ...] = ()
    files: tuple[NamedFile, ...] = ()
    unread: tuple[str, ...] = ()
    proxy_protocol: ProxyProtocol = "never"
    is_default: bool = False


def without_relative_files(listener: Listener, service: str) -> Listener:
    """Return a listener whose files have absolute paths; the others are named as unread."""
    relative = [file.path for file in listener.files if not file.path.startswith("/")]
    if not relative:
        return listener
    files = tuple(file for file in listener.files if file.path.startswith("/"))
    unread = (f"the directory is not known that {service} takes the file {path!r} from" for path in relative)
    return replace(listener, files=files, unread=(*listener.unread, *unread))


def beside_bound(listeners: Iterable[Listener], own: Sequence[str]) -> tuple[Listener, ...]:
    """Return the listeners of a web server; a wildcard address stands for those that no other listener is bound to.

    A connection to an address with a socket of its own reaches no server of the wildcard. `own` are the addresses of
    the host; if they are not known, the listeners are returned as they are.
    """
    listeners = tuple(listeners)
    taken = {(address, listener.port) for listener in listeners for address in listener.addresses if address not in ANY}
    ports = {port for _, port in taken} if own else set()
    return tuple(
        replace(listener, addresses=_left(listener, own, taken)) if listener.port in ports else listener
        for listener in listeners
    )


def _left(listener: Listener, own: Sequence[str], taken: Collection[tuple[str, int]]) -> tuple[str, ...]:
    """Return the addresses of a listener; for a wildcard those of the host that are left, or loopback alone."""
    addresses = dict.fromkeys(address for address in listener.addresses if address not in ANY)
    for wildcard in (address for address in listener.addresses if address in ANY):
        family = (address for address in own if (":" in address) == (":" in wildcard))
        free = [address for address in family if (address, listener.port) not in taken]
        addresses |= dict.fromkeys([address for address in free if address not in LOOPBACK] or free)
    return tuple(addresses)


def nowhere(*unread: str) -> Listener:
    """Return a listener that is not an endpoint, for files that are not read or that no handshake can show."""
    return Listener("tls", 0, (), unread=unread)


@dataclass(frozen=True, slots=True)
class Section:
    """The output of one command on the host; `rc` is None if the end is missing, for example if `is_cut`."""

    text: str
    rc: int | None = 0
    command: str = ""
    is_cut: bool = False  # the output was longer than the limit


@dataclass(frozen=True, slots=True)
class ConfigDump:
    """The output of the script of one service, for one running instance or for the configuration if none runs."""

    sections: Mapping[str, Section] = field(default_factory=dict)
    ports: tuple[tuple[str, int], ...] = ()  # (address, port) of the visible sockets of its processes
    addresses: tuple[str, ...] = ()  # the host's own, with loopback; empty if they are not known

    def text(self, name: str) -> str:
        """Return the text of the section of that name; empty if there is none."""
        section = self.sections.get(name)
        return section.text if section else ""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the command line of the instance; empty if it does not run."""
        return tuple(word for word in self.text("words").split("\n") if word)


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What is in a certificate file, for a service that selects by it: all names of its leaf, and the type of its key.

    The names are in lower case, those of the subject's common name too.
    """

    names: tuple[str, ...] = ()
    key_type: str = ""


ReaderByCertificate = Callable[["ConfigDump", Mapping[str, CertificateFacts], str], tuple["Listener", ...]]
"""Takes a dump, the certificates by path and the host's own name; returns the listeners with their names."""


@cache
def shell_script(name: str, package: str = "audit.services") -> str:
    """Return `shell/NAME.sh` of a package without comments and indentation."""
    text = (files(package) / "shell" / f"{name}.sh").read_text("utf-8")
    return re.sub(r"^[ \t]*(?:#.*\n)?", "", text, flags=re.MULTILINE)


def no_websites(dump: ConfigDump) -> tuple[Website, ...]:
    """Return no websites, for a service that is not a web server."""
    del dump
    return ()


@dataclass(frozen=True, slots=True)
class Service:
    """A row of the table of services.

    `options` are the options of its command line that name files. `read` and `websites` (of plain HTTP) are pure.
    `package` has its shell. Raises ValueError for a name that would need quoting in a shell script.

    `by_certificate` is for a service that selects a certificate by the names in it. It returns the listeners with their
    names, once the files that `read` returned are known by path; it also takes the host's own name.

    `has_own_program` is for a service whose program has the name of its processes, so it is not run by an interpreter.
    Then a process whose program has another name is another service.

    `daemon` and `tasks` are extended regular expressions for a command line: a blank, then each word and a blank. A
    process is not inspected if its line does not match `daemon` or if it matches `tasks`: it tests the configuration or
    prints settings, and does not serve. A process that does not lead its session has `(attached) ` at the end.
    """

    name: str
    processes: tuple[str, ...]  # as in /proc/PID/comm, at most 15 characters
    options: tuple[str, ...]
    read: Callable[[ConfigDump], tuple[Listener, ...]]
    websites: Callable[[ConfigDump], tuple[Website, ...]] = no_websites
    by_certificate: ReaderByCertificate | None = None
    package: str = "audit.services"
    has_own_program: bool = False
    daemon: str = ""  # every process
    tasks: str = ""  # none

    def __post_init__(self) -> None:
        """Refuse names that are not words of the shell."""
        for words, pattern in (((self.name,), _NAME), (self.processes, _PROCESS), (self.options, _OPTION)):
            for word in words:
                if not pattern.fullmatch(word):
                    raise ValueError(f"service {self.name!r}: {word!r} does not match {pattern.pattern}")

    @property
    def identifier(self) -> str:
        """Its name with `_` for each `-`: as a part of names of shell functions and files."""
        return self.name.replace("-", "_")

    @property
    def script(self) -> str:
        """The body of a POSIX shell function: `shell/IDENTIFIER.sh` of its package.

        It can use `$bin` (the program), `$pid`, `$words` (its command line, a word a line) and the functions of
        `audit/host/shell`. It prints at least a section `test` if the daemon can test its configuration.
        """
        return shell_script(self.identifier, self.package)


def pair(certificate: str | None, key: str | None = None, chain: str | None = None) -> tuple[NamedFile, ...]:
    """Return the files of one certificate in the order certificate, key, chain, without those that are None."""
    paths: tuple[tuple[FileKind, str | None], ...] = (("certificate", certificate), ("key", key), ("chain", chain))
    return tuple(NamedFile(kind, path) for kind, path in paths if path)


def prompted(files: Iterable[NamedFile]) -> tuple[NamedFile, ...]:
    """Return the files of a service that prompts a person for the passphrase of an encrypted key."""
    return tuple(replace(file, is_prompted=True) if file.kind == "key" else file for file in files)


@dataclass(frozen=True, slots=True)
class PanelService:
    """A service on a host: the listeners that it has or should have, and whether it runs."""

    service: str
    listeners: tuple[Listener, ...]
    is_running: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """A row of the table of panels.

    `mark` is a file that exists only on a host with the panel and contains its version. `values` are the variables of
    its script, as words. The script runs only on a host with the panel; it is like that of a service, but without a
    program. The functions are pure. Their dump has the sections of this script, and its `ports` are all sockets of the
    host.

    `kept` returns the listeners of a found service that are not switched off and not the panel's own. `services`
    returns the panel's own services, and the expected services that were not found. `websites` returns the website for
    the host's own name if no found website has it. `word` returns the panel's name for a service whose certificate the
    panel installs.
    """

    name: str
    mark: str
    values: Mapping[str, tuple[str, ...]]
    kept: Callable[[ConfigDump, PanelService], tuple[Listener, ...]]
    services: Callable[[ConfigDump, Sequence[PanelService]], tuple[PanelService, ...]]
    websites: Callable[[ConfigDump, str, Sequence[Website]], tuple[Website, ...]]
    word: Callable[[str, Iterable[InstalledFile]], str | None]

    @property
    def script(self) -> str:
        """The body of a POSIX shell function: `shell/NAME.sh` after its variables."""
        variables = "".join(f"{name}='{' '.join(words)}'\n" for name, words in self.values.items())
        return variables + shell_script(self.name)
