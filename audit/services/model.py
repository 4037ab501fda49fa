"""What a service and a panel are: process names, the script for the host, listeners, and a configuration dump."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

from audit.observation import FileKind, InstalledFile
from audit.observation.website import ANY_IPV4, ANY_IPV6, Website

ANY: Final = (ANY_IPV4, ANY_IPV6)


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that a configuration names, and what for; a combined PEM file is named once for each use."""

    kind: FileKind
    path: str


@dataclass(frozen=True, slots=True)
class Listener:
    """One scheme on one port under the names of one configuration block.

    `addresses` as bound (`0.0.0.0` and `::` for every one of a family), `names` concrete only: where there is none the
    host's own name is meant. `files` in pairs as configured: certificate, key, certificate, key. `unread` says in a
    clause each what the configuration leaves to run time or hides.
    """

    scheme: str
    port: int
    addresses: tuple[str, ...] = ANY
    names: tuple[str, ...] = ()
    files: tuple[NamedFile, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """What one command on the host printed; `rc` is None if the end is missing, as it is where `is_cut`."""

    text: str
    rc: int | None = 0
    command: str = ""
    is_cut: bool = False  # it printed more than is kept


@dataclass(frozen=True, slots=True)
class ConfigDump:
    """What the script of one service printed for one running instance of it, or for its configuration at rest."""

    sections: Mapping[str, Section] = field(default_factory=dict)
    ports: tuple[tuple[str, int], ...] = ()  # (address, port) its own processes listen on, as far as could be seen

    def text(self, name: str) -> str:
        """Return what the section of that name printed; nothing where there is none."""
        section = self.sections.get(name)
        return section.text if section else ""

    @property
    def words(self) -> tuple[str, ...]:
        """The command line of the instance, word by word; empty where it does not run."""
        return tuple(word for word in self.text("words").split("\n") if word)


@cache
def shell_script(name: str) -> str:
    """Return `shell/NAME.sh` of this package without comments and indentation."""
    text = (files("audit.services") / "shell" / f"{name}.sh").read_text("utf-8")
    return re.sub(r"^[ \t]*(?:#.*\n)?", "", text, flags=re.MULTILINE)


def no_websites(dump: ConfigDump) -> tuple[Website, ...]:
    """Return the websites of a service that is no web server."""
    del dump
    return ()


@dataclass(frozen=True, slots=True)
class Service:
    """A row of the table of services.

    `options` are those of its command line that name files. `read` and `websites` (of plain HTTP) are pure.
    """

    name: str
    processes: tuple[str, ...]  # what /proc/PID/comm says, at most 15 characters of it
    options: tuple[str, ...]
    read: Callable[[ConfigDump], tuple[Listener, ...]]
    websites: Callable[[ConfigDump], tuple[Website, ...]] = no_websites

    @property
    def script(self) -> str:
        """The body of a POSIX shell function: `shell/NAME.sh`.

        It finds `$bin` (the program), `$pid`, `$words` (its command line, a word a line) and the functions of
        `audit/host/shell`; it prints at least a section `test` if the daemon can test its configuration.
        """
        return shell_script(self.name)


def pair(certificate: str | None, key: str | None = None, chain: str | None = None) -> tuple[NamedFile, ...]:
    """Return the files of one certificate in the order certificate, key, chain, leaving out what is not named."""
    named: tuple[tuple[FileKind, str | None], ...] = (("certificate", certificate), ("key", key), ("chain", chain))
    return tuple(NamedFile(kind, path) for kind, path in named if path)


@dataclass(frozen=True, slots=True)
class PanelService:
    """A service on a host: what it listens on or would, and whether it runs."""

    service: str
    listeners: tuple[Listener, ...]
    is_running: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """A row of the table of layouts.

    `mark` is a file that is there where the panel is, and says its version. `values` are the variables, as words, of
    its script, which runs only there and is written as a service's is, but for a program. The functions are pure: the
    dump they are given is of the layout's own sections, and its `ports` are all that anything on the host listens on.

    `kept` leaves of a service that was found what is not switched off and not the panel's own. `services` are the
    panel's own, and those that it expects and that are not among the found. `websites` answer for the host's own name
    where none that was found does. `word` is the panel's own for a service whose certificate is installed through it.
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
