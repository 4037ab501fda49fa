"""Who is told: which hosts each letter is about.

It knows addresses as they are given; where they stand on a host it refuses to know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar


class _OfHost(Protocol):
    """What belongs to a host."""

    @property
    def host(self) -> str:
        """Its label."""


About = TypeVar("About", bound=_OfHost)


def group_by_reader(
    abouts: Sequence[About], to: tuple[str, ...], contacts: Mapping[str, tuple[str, ...]], otherwise: tuple[str, ...]
) -> tuple[tuple[tuple[str, ...], tuple[About, ...]], ...]:
    """Return who reads about what: `to` about everything where it is configured, else each host's own contacts.

    `otherwise` reads about hosts that name nobody. Nobody reads about a host that is not theirs.
    """
    readers: dict[tuple[str, ...], list[About]] = {}
    for about in abouts:
        readers.setdefault(to or contacts.get(about.host) or otherwise, []).append(about)
    return tuple((reader, tuple(theirs)) for reader, theirs in readers.items())
