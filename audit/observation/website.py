"""A website of a host as its configuration declares it: names, addresses, document roots and logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

VALIDATION: Final = "/.well-known/pki-validation/"
"""The path below which a CA requests the token (Baseline Requirements 3.2.2.4.18)."""

ANY_IPV4: Final = "0.0.0.0"  # noqa: S104 - as configurations write it; nothing is bound here
ANY_IPV6: Final = "::"

SiteSelection = Literal[
    "best",  # nginx: the exact name, the longest wildcard in front, then at the end, an expression, the default
    "first",  # apache: the first in the configuration that has the name, else the first
    "declared",  # by the user: before all others, at every port
]


@dataclass(frozen=True, slots=True)
class Docroot:
    """A directory that a web server serves: requests below VALIDATION are served from `below` in `folder`."""

    folder: str
    below: str = VALIDATION.strip("/")

    def __str__(self) -> str:
        """Return the directory for the token."""
        return f"{self.folder.rstrip('/')}/{self.below}".rstrip("/") or "/"


@dataclass(frozen=True, slots=True)
class Website:
    """A site that serves plain HTTP at some sockets under some names, and its directory for VALIDATION.

    `addresses` as bound (`0.0.0.0` and `::` for all of a family that nothing else is bound to), `names` as configured:
    in lower case, with `*` (and apache's `?`) for wildcards; one that begins with `~` cannot be decided here.
    `is_default`: it serves names there that no other site has. Without a docroot `why` says what serves the request
    instead, or what is not known; it names the service.
    """

    service: str
    rule: SiteSelection
    port: int
    addresses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    is_default: bool = False
    docroot: Docroot | None = None
    why: str = ""
    logs: tuple[str, ...] = ()  # where its requests are noted: paths, `*` for what is not known; else as written
