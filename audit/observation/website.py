"""A website of a host as its configuration declares it: names, addresses, document roots and logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

VALIDATION: Final = "/.well-known/pki-validation/"
"""Below it a CA asks for the proof that a name is ours (Baseline Requirements 3.2.2.4.18)."""

ANY_IPV4: Final = "0.0.0.0"  # noqa: S104 - as configurations write it; nothing is bound here
ANY_IPV6: Final = "::"

Rule = Literal[
    "best",  # nginx: the exact name, the longest wildcard in front, then at the end, an expression, the default
    "first",  # apache: the first in the configuration that has the name, else the first
    "declared",  # the user's word, before all others, at every port
]


@dataclass(frozen=True, slots=True)
class Docroot:
    """A folder that a web server serves: what is asked for below VALIDATION lies in `below` below `folder`."""

    folder: str
    below: str = VALIDATION.strip("/")

    def __str__(self) -> str:
        """Return the folder that the proof goes to."""
        return f"{self.folder.rstrip('/')}/{self.below}".rstrip("/") or "/"


@dataclass(frozen=True, slots=True)
class Website:
    """What answers to plain HTTP at some sockets under some names, and the folder of its answers below VALIDATION.

    `addresses` as bound (`0.0.0.0` and `::` for all of a family that nothing else is bound to), `names` as configured:
    in small letters, with `*` (and apache's `?`) for wildcards; one that begins with `~` cannot be decided here.
    `is_default`: it answers there for names that nobody has. Without a docroot `why` says what answers instead, or
    what is not known, in a clause that names the service.
    """

    service: str
    rule: Rule
    port: int
    addresses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    is_default: bool = False
    docroot: Docroot | None = None
    why: str = ""
    logs: tuple[str, ...] = ()  # where its requests are noted: paths, `*` for what is not known; else as written
