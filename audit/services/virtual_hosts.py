"""Which website of a host answers a request for a name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from audit.endpoint import to_address
from audit.observation.website import ANY_IPV4, ANY_IPV6, Docroot, Website
from audit.text import listing


@dataclass(frozen=True, slots=True)
class _Answer:
    """What answers at one socket; `is_named` where it has the name, and does not just take what is left."""

    at: str
    is_named: bool
    found: Docroot | str
    site: Website | None = None


def docroot_of(websites: Iterable[Website], name: str, port: int = 80, address: str | None = None) -> Docroot | str:
    """Return the folder from which a host serves a name over plain HTTP, or in a sentence why there is none.

    Without an address it has to be one folder at all of those where a website has the name; where none has it, at all
    there are.
    """
    every, wanted = tuple(websites), name.lower().rstrip(".")
    for site in every:
        if site.rule == "declared" and wanted in site.names:
            return _found(site)
    there = [site for site in every if site.rule != "declared" and site.port == port]
    if not there:
        return f"no web server that is known listens on its port {port}"
    places = [to_address(address) or address] if address else _places(there)
    return _agreed(_answers(there, places, wanted))


def logs_of(websites: Iterable[Website], name: str, port: int = 80) -> tuple[str, ...]:
    """Return where a host notes what is asked of it over plain HTTP under a name, at whichever of its addresses."""
    there = [site for site in websites if site.rule != "declared" and site.port == port]
    answers = _answers(there, _places(there), name.lower().rstrip("."))
    return tuple(dict.fromkeys(log for one in answers if one.site for log in one.site.logs))


def _answers(there: Sequence[Website], places: Iterable[str], name: str) -> list[_Answer]:
    """Return what answers at these addresses: where a website has the name, else everywhere."""
    answers = [_at(there, place, name) for place in places]
    return [one for one in answers if one.is_named] or answers


def _places(sites: Iterable[Website]) -> list[str]:
    """Return the addresses that sockets are bound to; loopback, which no CA asks, where there are no others."""
    bound = list(dict.fromkeys(address for site in sites for address in site.addresses))
    return [one for one in bound if one != "::1" and not one.startswith("127.")] or bound


def _agreed(answers: Sequence[_Answer]) -> Docroot | str:
    """Return what all answers say; of several the first that is no folder, as a CA may ask at any address."""
    failed = [one.found for one in answers if isinstance(one.found, str)]
    if failed:
        return failed[0]
    if len({one.found for one in answers}) > 1:
        return f"it depends on the address asked: {listing([f'{one.found} at {one.at}' for one in answers])}"
    return answers[0].found


def _at(sites: Sequence[Website], address: str, name: str) -> _Answer:
    """Return what answers at one address: a socket bound to it is asked before one that is bound to all."""
    wildcard = ANY_IPV6 if ":" in address else ANY_IPV4
    bound = [site for site in sites if address in site.addresses] or [s for s in sites if wildcard in s.addresses]
    if not bound:
        return _Answer(address, is_named=False, found=f"no web server that is known listens at {address}")
    services = list(dict.fromkeys(site.service for site in bound))
    if len(services) > 1:
        return _Answer(address, is_named=False, found=f"{listing(services)} are configured for one address and port")
    named = (_first if bound[0].rule == "first" else _best)(bound, name)
    if isinstance(named, str):
        return _Answer(address, is_named=True, found=named)
    if named:
        return _Answer(address, is_named=True, found=_found(named), site=named)
    default = next((site for site in bound if site.is_default), None)
    found = _found(default) if default else f"no website of {bound[0].service} answers there for {name}"
    return _Answer(address, is_named=False, found=found, site=default)


def _found(site: Website) -> Docroot | str:
    return site.docroot or site.why


def _first(sites: Sequence[Website], name: str) -> Website | str | None:
    """Return the first website that has the name; one before it that may have it leaves that open."""
    doubt: str | None = None
    for site in sites:
        if any(_fits(name, pattern) for pattern in site.names):
            return doubt or site
        doubt = doubt or _doubt(site)
    return doubt


def _fits(name: str, pattern: str) -> bool:
    """Return whether a name is one of those that apache's pattern stands for."""
    if "*" in pattern or "?" in pattern:
        return not pattern.startswith("~") and fnmatchcase(name, pattern.replace("[", "[[]"))
    return name == pattern


def _best(sites: Sequence[Website], name: str) -> Website | str | None:
    """Return the website whose name fits best; expressions come after all wildcards, so only then they matter."""
    ranked = [(rank, -index, site) for index, site in enumerate(sites) for rank in _ranks(site, name)]
    if ranked:
        return max(ranked, key=lambda one: one[:2])[2]
    return next(filter(None, map(_doubt, sites)), None)


def _ranks(site: Website, name: str) -> Iterable[tuple[int, int]]:
    """Yield how well each name of a website fits: exactly, by a wildcard in front, by one at the end; by length."""
    for pattern in site.names:
        if name in (pattern, pattern.removeprefix(".")):
            yield 3, 0
        elif pattern.startswith(("*.", ".")) and name.endswith(pattern.removeprefix("*")):
            yield 2, len(pattern.removeprefix("*"))
        elif pattern.endswith(".*") and name.startswith(pattern[:-1]):
            yield 1, len(pattern)


def _doubt(site: Website) -> str | None:
    """Return why a website may have a name that it does not list."""
    pattern = next((pattern[1:] for pattern in site.names if pattern.startswith("~")), None)
    return pattern and f"whether {site.service} answers for it by the name {pattern!r} is known only while it serves"
