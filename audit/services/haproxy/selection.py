"""Selects the certificates that haproxy serves for each name: by the filters of a list, else by their own names.

A name that a certificate has exactly comes before one that a wildcard covers. Of each type of key the first certificate
is served. A name without a certificate gets the first one that was loaded.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from audit.services.haproxy.certificates import Loaded
from audit.services.model import CertificateFacts, NamedFile

_REQUESTED: Final = re.compile(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)*")  # a subject's common name may be any text


@dataclass(frozen=True, slots=True)
class Selection:
    """Names, and the files of the certificates that are served for them; no names for those without a certificate.

    `why` is a message if it is not known which files are served for the names, or for which names the files are served.
    """

    names: tuple[str, ...]
    files: tuple[NamedFile, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Names that a wildcard may cover: those that a section compares requests with, and the host's own."""

    requested: tuple[str, ...] = ()
    own: str = ""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A certificate with its names and wildcards; `is_known` is false if its names could not be read."""

    loaded: Loaded
    patterns: tuple[str, ...]
    key_type: str
    is_known: bool


@dataclass(frozen=True, slots=True)
class _Index:
    """The certificates of a `bind`, and their positions for each name and each domain of a wildcard."""

    candidates: tuple[_Candidate, ...]
    exact: Mapping[str, list[int]]
    wildcard: Mapping[str, list[int]]

    def served(self, name: str) -> tuple[int, ...]:
        """Return the certificates that are served for a name, one for each type of key."""
        first: dict[str, int] = {}
        covering = self.wildcard.get(name.partition(".")[2], ())
        by_wildcard = [index for index in covering if f"!{name}" not in self.candidates[index].loaded.filters]
        for index in self.exact.get(name) or by_wildcard:
            first.setdefault(self.candidates[index].key_type, index)
        return tuple(first.values())

    def names(self, known: KnownNames) -> Iterator[str]:
        """Yield each name that a certificate has, and each known name that a wildcard covers."""
        covered = [name for name in (*known.requested, known.own) if name.partition(".")[2] in self.wildcard]
        yield from (name for name in dict.fromkeys([*self.exact, *covered]) if "*" not in name)


def selections(
    loaded: Sequence[Loaded], certificates: Mapping[str, CertificateFacts], known: KnownNames, *, is_strict: bool
) -> Iterator[Selection]:
    """Yield what is served for each name that is known, then what is left.

    A certificate whose names cannot be read may be served for any requested name that has no other certificate.
    """
    index = _index([_candidate(entry, certificates) for entry in loaded])
    by_files: dict[tuple[int, ...], list[str]] = {}
    for name in index.names(known):
        served = index.served(name)
        if served:
            by_files.setdefault(served, []).append(name)
    for served, names in by_files.items():
        yield Selection(tuple(names), tuple(file for position in served for file in loaded[position].files))
    used = {loaded[position].files for served in by_files for position in served}
    unknown = [candidate.loaded.files for candidate in index.candidates if not candidate.is_known]
    open_names = tuple(name for name in dict.fromkeys(known.requested) if unknown and not index.served(name))
    if open_names:
        why = "haproxy selects by the names in its certificates, which could not all be read"
        yield Selection(open_names, tuple(dict.fromkeys(chain.from_iterable(unknown))), why)
        used.update(unknown)
    yield from _rest(index.candidates, used, has_default=not is_strict)


def _candidate(entry: Loaded, certificates: Mapping[str, CertificateFacts]) -> _Candidate:
    """Return a certificate with its names: the filters, else those in it without the ones that a filter excludes."""
    facts = certificates.get(entry.files[0].path, CertificateFacts()) if entry.files else CertificateFacts()
    patterns = tuple(name for name in entry.filters if not name.startswith("!"))
    is_known = bool(patterns or facts.names or "!*" in entry.filters or entry.why)
    if not patterns and "!*" not in entry.filters:
        names = filter(_REQUESTED.fullmatch, dict.fromkeys(facts.names))
        patterns = tuple(name for name in names if f"!{name}" not in entry.filters)
    return _Candidate(entry, patterns, facts.key_type, is_known)


def _index(candidates: Sequence[_Candidate]) -> _Index:
    exact, wildcard = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for position, candidate in enumerate(candidates):
        for pattern in candidate.patterns:
            (wildcard if pattern.startswith("*.") else exact)[pattern.removeprefix("*.")].append(position)
    return _Index(tuple(candidates), exact, wildcard)


def _rest(
    candidates: Sequence[_Candidate], used: set[tuple[NamedFile, ...]], *, has_default: bool
) -> Iterator[Selection]:
    """Yield the default certificate if no name has it, and a message for each other that no known name has."""
    for position, candidate in enumerate(candidates):
        files = candidate.loaded.files
        if candidate.loaded.why:
            yield Selection((), (), candidate.loaded.why)
        elif files in used:
            continue
        elif position == 0 and has_default:
            yield Selection((), files)
        else:
            yield Selection((), files, _no_name(files[0].path, candidate))
        used.add(files)


def _no_name(path: str, candidate: _Candidate) -> str:
    if not candidate.is_known:
        return f"the names in {path}, by which haproxy selects it, could not be read"
    names = f"has {path} for {', '.join(candidate.patterns[:3])}" if candidate.patterns else f"serves {path} by default"
    return f"haproxy {names}, but no name of it is known: to audit it, declare an endpoint with a name"
