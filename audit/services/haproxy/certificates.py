"""Reads which certificates a `bind` loads: files, directories, bundles, lists with names, and stores.

The files beside a certificate decide where its key is, so the host lists the directories that the configuration names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final

from audit.services.config_files import split_files, unreadable
from audit.services.haproxy.syntax import ConfigLine, HaproxyConfiguration, split_words, working_directory
from audit.services.model import ConfigDump, NamedFile, pair, prompted

_RESERVED: Final = (".key", ".issuer", ".ocsp", ".sctl")
_BUNDLE: Final = (".rsa", ".ecdsa", ".dsa")
_UNLISTED = re.compile(r"^# cannot read (/.*?|the rest): (.+)$", re.MULTILINE)
_REST: Final = "the rest"
_DIRECTORY = re.compile(r"^# directory (?P<path>.+)$")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A certificate of a `bind`: its files and the filters of its list. `why` is a message if it is not known."""

    files: tuple[NamedFile, ...] = ()
    filters: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The directories that the host listed, by path, the files that hold a key beside one of their own, and lists."""

    directories: Mapping[str, frozenset[str]]
    with_key: frozenset[str]
    lists: Mapping[str, str]
    refusals: tuple[str, ...]  # of lists
    unlisted: Mapping[str, str]  # why a directory was not listed, by path
    rest: str = ""  # why others were not


@dataclass(frozen=True, slots=True)
class CertificateLoader:
    """Finds the files of certificates as one configuration names them."""

    configuration: HaproxyConfiguration
    on_host: CertificateFiles
    working_directory: str | None
    stored: Mapping[str, Loaded] = field(default_factory=dict)

    def loaded(self, line: ConfigLine) -> Iterator[Loaded]:
        """Yield the certificates of a line in the order in which haproxy loads them: the first is the default."""
        for path in line.after("default-crt"):
            yield from self._of_word(path, line.folder)
        keyword = ""
        for word in line.words[1:]:
            if keyword == "crt":
                yield from self._of_word(word, line.folder)
            elif keyword == "crt-list":
                yield from self._of_list(self._path(word, line.folder, base=None), word, line.folder)
            keyword = "" if keyword in ("crt", "crt-list") else word

    def _of_word(self, word: str, folder: str) -> Iterator[Loaded]:
        stored = self.stored.get(word)
        if stored:
            yield stored
        elif word.startswith("@"):
            yield Loaded(why=f"haproxy takes a certificate from {word}, which no crt-store of its configuration has")
        else:
            yield from self._of_path(self._path(word, folder, base=self._base("crt-base")), word)

    def _of_path(self, path: str | None, word: str) -> Iterator[Loaded]:
        if path is None:
            yield Loaded(why=_unknown(word))
        elif path in self.on_host.unlisted:
            why = f"haproxy loads certificates from {path}, which was not listed: {self.on_host.unlisted[path]}"
            yield Loaded(why=why)
        elif path in self.on_host.directories:
            for name in sorted(self.on_host.directories[path]):
                if not name.startswith(".") and not name.endswith(_RESERVED):
                    yield Loaded(self._pair(f"{path.rstrip('/')}/{name}"))
        else:
            yield from (Loaded(self._pair(file)) for file in self._bundle(path) or [path])

    def _bundle(self, path: str) -> list[str]:
        """Return the files of a bundle: those that exist instead of a file, with the type of their key at the end."""
        if self._exists(path) is not False or not self._looks_for("bundle"):
            return []
        return [f"{path}{suffix}" for suffix in _BUNDLE if self._exists(f"{path}{suffix}")]

    def _of_list(self, path: str | None, word: str, folder: str) -> Iterator[Loaded]:
        if path is None or path not in self.on_host.lists:
            yield Loaded(why=_unknown(word) if path is None else self._unread_list(path))
            return
        for line in self.on_host.lists[path].split("\n"):
            words = _list_words(line)
            for loaded in self._of_word(words[0], folder) if words else ():
                yield replace(loaded, filters=tuple(word.lower() for word in words[1:]))

    def _unread_list(self, path: str) -> str:
        reasons = [f": {reason}" for reason in self.on_host.refusals if path in reason]
        return f"the crt-list {path} of haproxy was not read{''.join(reasons[:1])}"

    def of_stores(self) -> dict[str, Loaded]:
        """Return the certificates of each crt-store, by the words that name them."""
        stored: dict[str, Loaded] = {}
        for store in self.configuration.of("crt-store"):
            lines = store.all("crt-base", "key-base")
            bases = {line.words[0]: value for line in lines for value in line.words[1:2]}
            for line in store.all("load"):
                values = {keyword: value for keyword in ("crt", "key", "alias") for value in line.after(keyword)}
                loaded = self._of_store(values, bases, line.folder)
                for word in filter(None, (values.get("crt"), values.get("alias"))):
                    stored[f"@{store.name}/{word}"] = loaded
                    if not store.name:
                        stored[word] = loaded
        return stored

    def _of_store(self, values: Mapping[str, str], bases: Mapping[str, str], folder: str) -> Loaded:
        word = values.get("crt", "")
        certificate = self._path(word, folder, base=bases.get("crt-base", self._base("crt-base")))
        key_word = values.get("key")
        key = self._path(key_word, folder, base=bases.get("key-base", self._base("key-base"))) if key_word else None
        if certificate is None or (key_word and key is None):
            return Loaded(why=_unknown(word if certificate is None else key_word or ""))
        return Loaded(prompted(pair(certificate, key)) if key else self._pair(certificate))

    def _base(self, keyword: str) -> str | None:
        return next(iter(self.configuration.settings.get(keyword, ())), None)

    def _path(self, word: str, folder: str, *, base: str | None) -> str | None:
        """Return the absolute path of a file, or None if it depends on what is not known."""
        default = self.configuration.settings.get("default-path")
        policy = default[0] if default else "current"
        below = {
            "config": folder,
            "parent": str(PurePosixPath(folder).parent),
            "origin": default[1] if default and len(default) > 1 else None,
        }.get(policy, self.working_directory)
        path = PurePosixPath(below or "") / (base or "") / word
        return str(path) if word and path.is_absolute() and "${" not in str(path) else None

    def _pair(self, path: str) -> tuple[NamedFile, ...]:
        """Return certificate and key of a file: its key is in it, or in a file beside it with `.key` at its end."""
        has_own_name = path.endswith(".crt") and "ssl-load-extra-del-ext" in self.configuration.settings
        beside = f"{path.removesuffix('.crt') if has_own_name else path}.key"
        is_beside = self._looks_for("key") and self._exists(beside) and path not in self.on_host.with_key
        return prompted(pair(path, beside if is_beside else path))

    def _looks_for(self, kind: str) -> bool:
        setting = self.configuration.settings.get("ssl-load-extra-files") or ("all",)
        return "all" in setting or kind in setting

    def _exists(self, path: str) -> bool | None:
        """Return whether a file exists, or None if its directory was not listed."""
        folder, _, name = path.rpartition("/")
        names = self.on_host.directories.get(folder or "/")
        return None if names is None else name in names


def certificate_files(dump: ConfigDump) -> CertificateFiles:
    """Return what a dump says about the files of certificates."""
    directories: dict[str, frozenset[str]] = {}
    names: list[str] = []
    path = None
    for line in [*dump.text("directories").split("\n"), "# directory /"]:
        match = _DIRECTORY.match(line)
        if match:
            if path is not None:
                directories[path] = frozenset(names)
            path, names = match["path"], []
        elif path is not None and line.startswith(f"{path.rstrip('/')}/"):
            names.append(line.rpartition("/")[2])
    lists = dump.text("crt_lists")
    with_key = frozenset(dump.text("with_key").splitlines())
    unlisted = dict(_UNLISTED.findall(dump.text("directories")))
    rest = unlisted.pop(_REST, "")
    return CertificateFiles(directories, with_key, split_files(lists), unreadable(lists), unlisted, rest)


def certificate_loader(configuration: HaproxyConfiguration, dump: ConfigDump) -> CertificateLoader:
    """Return the loader of one configuration."""
    loader = CertificateLoader(configuration, certificate_files(dump), working_directory(dump.words))
    return replace(loader, stored=loader.of_stores())


def _list_words(line: str) -> list[str]:
    """Return path and filters of a line of a crt-list, without the options in brackets."""
    words = list(split_words(line, {}, is_complete=True))
    if words[1:2] and words[1].startswith("["):
        end = next((index for index, word in enumerate(words[1:], 1) if word.endswith("]")), len(words) - 1)
        del words[1 : end + 1]
    return words


def _unknown(word: str) -> str:
    return f"haproxy takes a certificate from {word!r}: where it is depends on a variable or a directory of the process"
