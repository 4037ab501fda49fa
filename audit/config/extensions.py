"""Finds the members that other distributions add to the tables of checks, services, issuers and so on.

A distribution registers each by an entry point. Only a name that the configuration uses is imported, because an
extension runs with all rights of the run. Whether others have that name is read from metadata, which imports nothing.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, TypeVar

from audit.config.schema import BadConfiguration, Configuration
from audit.config.sections import ConfigSection
from audit.json_codec import nearest
from audit.text import join_limited, one_line

T = TypeVar("T")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_REASON: Final = 300


class ExtensionKind(StrEnum):
    """A kind of member that a distribution can add."""

    CHECK = "check"
    SERVICE = "service"
    ISSUER = "issuer"
    SOLVER = "solver"
    INSTALLER = "installer"
    CHANNEL = "channel"
    REPORT = "report"

    @property
    def group(self) -> str:
        """The group of its entry points."""
        return f"pytest_sslaudit.{self.value}s"


_SECTIONS: Final[Mapping[str, ExtensionKind]] = {
    "issuer": ExtensionKind.ISSUER,
    "solver": ExtensionKind.SOLVER,
    "notify": ExtensionKind.CHANNEL,
}
"""The sections `[KEY.NAME]` whose key `kind` names a member."""


@dataclass(frozen=True, slots=True)
class InstalledExtension:
    """A member of another distribution, which is not imported before `load`."""

    kind: ExtensionKind
    name: str
    distribution: str
    version: str
    entry_point: EntryPoint = field(repr=False, compare=False)

    def __str__(self) -> str:
        """Return what it adds, and the distribution and version that it comes from."""
        return f"{self.kind} {self.name} ({self.source})"

    @property
    def source(self) -> str:
        """The distribution and its version."""
        return f"{self.distribution} {self.version}"

    @property
    def row(self) -> dict[str, str]:
        """The extension in the first row of the results."""
        return {"kind": self.kind, "name": self.name, "distribution": self.distribution, "version": self.version}

    def load(self, require: Callable[[Any], T], place: str) -> T:
        """Import and return the member; raises BadConfiguration. `require` raises TypeError or ValueError."""
        where = f"{place}: {self.entry_point.group}: {self.name!r} of {self.source} ({self.entry_point.value})"
        fix = f"Install a version of {self.distribution} that works, or remove {self.name!r} from the configuration."
        try:
            loaded = self.entry_point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit, and pytest.skip() in a module, are not subclasses of Exception
            raise BadConfiguration(f"{where} cannot be imported: {_reason(error)}. {fix}") from error
        try:
            return require(loaded)
        except Exception as error:
            raise BadConfiguration(f"{where}: {_reason(error, is_own=True)}. {fix}") from error


def _reason(error: BaseException, *, is_own: bool = False) -> str:
    """Return an exception in one line; if it is not ours, with its type and the line of code that raised it."""
    text = one_line(str(error), _MAX_REASON)
    if is_own and isinstance(error, ValueError | TypeError):
        return text
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{where}"


def find_extension(kind: ExtensionKind, name: str) -> InstalledExtension | None:
    """Return the extension of that name, None if there is none; raises BadConfiguration if several provide it."""
    extensions = [_extension(kind, entry) for entry in entry_points(group=kind.group, name=name)]
    if len(extensions) > 1:
        sources = " and ".join(sorted(extension.source for extension in extensions))
        raise BadConfiguration(f"{kind.group}: {name!r} is provided by {sources}. Uninstall all of them but one.")
    return extensions[0] if extensions else None


def _extension(kind: ExtensionKind, entry: EntryPoint) -> InstalledExtension:
    if entry.dist is None:
        return InstalledExtension(kind, entry.name, "an unknown distribution", "", entry)
    return InstalledExtension(kind, entry.name, entry.dist.name, entry.dist.version, entry)


def find_member(
    kind: ExtensionKind, name: str, built_in: Mapping[str, T], require: Callable[[Any], T], *, place: str
) -> T:
    """Return the built-in member of that name, else the extension's; raises BadConfiguration.

    `require` returns what an extension loaded, or raises TypeError or ValueError if that is not a member. `place` is
    where the configuration uses the name. An extension never replaces a built-in member: the same name is an error.
    """
    extension = find_extension(kind, name)
    if name in built_in:
        if extension is not None:
            reason = f"{extension.source} provides {name!r} ({kind.group}), which is built in and cannot be replaced"
            raise BadConfiguration(f"{place}: {reason}. Uninstall {extension.distribution}, or use another name of it.")
        return built_in[name]
    if extension is None:
        raise BadConfiguration(f"{place}: {_unknown(kind, name, built_in)}")
    return extension.load(require, place)


def _unknown(kind: ExtensionKind, name: str, built_in: Iterable[str]) -> str:
    known = sorted({*built_in, *filter(_NAME.fullmatch, entry_points(group=kind.group).names)})
    names = f"known are {join_limited(known, 20)}" if known else "none is installed"
    return (
        f"no {kind} has the name {name!r}; {names}{nearest(name, known)}. "
        f"Other distributions provide one by an entry point in {kind.group}."
    )


def decode_kind(section: ConfigSection, kind: ExtensionKind, built_in: Mapping[str, type[T]], base: type[T]) -> T:
    """Return a section decoded by the type that its key `kind` names, a subclass of `base`; raises BadConfiguration."""
    name = section.table.get("kind") if isinstance(section.table, dict) else None
    if not isinstance(name, str):
        raise section.bad(f"it has no kind; known are {', '.join(built_in)}")
    return section.decode(find_member(kind, name, built_in, subclass_of(base), place=section.place))


def instance_of(member: type[T], name: str) -> Callable[[Any], T]:
    """Return the function that requires an instance, or what has the methods of a protocol, with that `name`."""

    def require(value: object) -> T:
        if not isinstance(value, member):
            raise TypeError(f"{type(value).__name__} is not an instance of {member.__name__} (docs/extending.md)")
        own = getattr(value, "name", name)
        if own != name:
            raise ValueError(f"its name is {own!r}; it must be that of the entry point, {name!r}")
        return value

    return require


def subclass_of(member: type[T]) -> Callable[[Any], type[T]]:
    """Return the function that requires a subclass."""

    def require(value: object) -> type[T]:
        if not (isinstance(value, type) and issubclass(value, member)):
            raise TypeError(f"{value!r} is not a subclass of {member.__name__} (docs/extending.md)")
        return value

    return require


def used_extensions(configuration: Configuration, reports: Iterable[str] = ()) -> tuple[InstalledExtension, ...]:
    """Return the extensions whose names the configuration uses, or the command line for reports; imports none."""
    names = dict.fromkeys((*_names(configuration), *((ExtensionKind.REPORT, name) for name in reports)))
    extensions = (find_extension(kind, name) for kind, name in names)
    return tuple(extension for extension in extensions if extension is not None)


def _names(configuration: Configuration) -> Iterator[tuple[ExtensionKind, str]]:
    """Yield each name that the configuration uses, with its kind."""
    listed = configuration.extensions
    kinds = {
        ExtensionKind.CHECK: listed.checks,
        ExtensionKind.SERVICE: listed.services,
        ExtensionKind.INSTALLER: listed.installers,
    }
    yield from ((kind, name) for kind, names in kinds.items() for name in names)
    for key, kind in _SECTIONS.items():
        tables = configuration.handed_on.get(key, {})
        sections = tables.values() if isinstance(tables, Mapping) else ()
        yield from ((kind, name) for section in sections if isinstance(name := _kind_of(section), str))
    yield from ((ExtensionKind.REPORT, name) for name in configuration.reports)


def _kind_of(section: object) -> object:
    return section.get("kind") if isinstance(section, Mapping) else None
