"""Selects the website of a host that serves a name over plain HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from audit.endpoint import to_address
from audit.observation.website import ANY_IPV4, ANY_IPV6, Docroot, Website
from audit.text import join_limited


@dataclass(frozen=True, slots=True)
class _Selection:
    """The website that serves a name at one address; `has_name` is false if it is only the default there.

    `docroot` is a sentence if there is no docroot, or if it is not known.
    """

    address: str
    has_name: bool
    docroot: Docroot | str
    site: Website | None = None


def docroot_of(websites: Iterable[Website], name: str, port: int = 80, address: str | None = None) -> Docroot | str:
    """Return the folder from which a host serves a name over plain HTTP, or a sentence that says why there is none.

    Without an address, the folder has to be the same at all addresses where a website has the name. If no website has
    the name, it has to be the same at all addresses of the host.
    """
    sites, host_name = tuple(websites), name.lower().rstrip(".")
    for site in sites:
        if site.rule == "declared" and host_name in site.names:
            return _docroot_or_reason(site)
    candidates = _sites_at_port(sites, port)
    if not candidates:
        return f"no known web server listens on port {port}"
    addresses = [to_address(address) or address] if address else _bound_addresses(candidates)
    return _common_docroot(_selections(candidates, addresses, host_name))


def logs_of(websites: Iterable[Website], name: str, port: int = 80) -> tuple[str, ...]:
    """Return the logs of requests over plain HTTP for a name, at all addresses of a host."""
    candidates = _sites_at_port(websites, port)
    selections = _selections(candidates, _bound_addresses(candidates), name.lower().rstrip("."))
    return tuple(dict.fromkeys(log for selection in selections if selection.site for log in selection.site.logs))


def _sites_at_port(websites: Iterable[Website], port: int) -> list[Website]:
    return [site for site in websites if site.rule != "declared" and site.port == port]


def _selections(sites: Sequence[Website], addresses: Iterable[str], name: str) -> list[_Selection]:
    """Return the selections at the addresses where a website has the name, or at all if no website has it."""
    selections = [_select(sites, address, name) for address in addresses]
    return [selection for selection in selections if selection.has_name] or selections


def _bound_addresses(sites: Iterable[Website]) -> list[str]:
    """Return the addresses of the sockets, without loopback (no CA connects to it) if there are others."""
    addresses = list(dict.fromkeys(address for site in sites for address in site.addresses))
    return [address for address in addresses if address != "::1" and not address.startswith("127.")] or addresses


def _common_docroot(selections: Sequence[_Selection]) -> Docroot | str:
    """Return the docroot of all selections, else the first reason: a CA may connect to any address."""
    reasons = [selection.docroot for selection in selections if isinstance(selection.docroot, str)]
    if reasons:
        return reasons[0]
    if len({selection.docroot for selection in selections}) > 1:
        by_address = join_limited([f"{selection.docroot} at {selection.address}" for selection in selections])
        return f"the folder depends on the address: {by_address}"
    return selections[0].docroot


def _select(sites: Sequence[Website], address: str, name: str) -> _Selection:
    """Return the website at one address: a socket that is bound to it comes before one that is bound to all."""
    wildcard = ANY_IPV6 if ":" in address else ANY_IPV4
    bound = [site for site in sites if address in site.addresses]
    bound = bound or [site for site in sites if wildcard in site.addresses]
    if not bound:
        return _Selection(address, has_name=False, docroot=f"no known web server listens at {address}")
    services = list(dict.fromkeys(site.service for site in bound))
    if len(services) > 1:
        return _Selection(
            address, has_name=False, docroot=f"{join_limited(services)} are configured for one address and port"
        )
    match = (_first_match if bound[0].rule == "first" else _best_match)(bound, name)
    if isinstance(match, str):
        return _Selection(address, has_name=True, docroot=match)
    if match:
        return _Selection(address, has_name=True, docroot=_docroot_or_reason(match), site=match)
    default = next((site for site in bound if site.is_default), None)
    docroot = (
        _docroot_or_reason(default) if default else f"no website of {bound[0].service} is configured there for {name}"
    )
    return _Selection(address, has_name=False, docroot=docroot, site=default)


def _docroot_or_reason(site: Website) -> Docroot | str:
    return site.docroot or site.why


def _first_match(sites: Sequence[Website], name: str) -> Website | str | None:
    """Return the first website that has the name, or why a website before it may have the name."""
    reason: str | None = None
    for site in sites:
        if any(_matches_pattern(name, pattern) for pattern in site.names):
            return reason or site
        reason = reason or _undecided_reason(site)
    return reason


def _matches_pattern(name: str, pattern: str) -> bool:
    """Return whether a name matches a pattern of apache."""
    if "*" in pattern or "?" in pattern:
        return not pattern.startswith("~") and fnmatchcase(name, pattern.replace("[", "[[]"))
    return name == pattern


def _best_match(sites: Sequence[Website], name: str) -> Website | str | None:
    """Return the website with the best match; nginx tries expressions only after all names and wildcards."""
    ranked = [(rank, -index, site) for index, site in enumerate(sites) for rank in _ranks(site, name)]
    if ranked:
        return max(ranked, key=lambda entry: entry[:2])[2]
    return next(filter(None, map(_undecided_reason, sites)), None)


def _ranks(site: Website, name: str) -> Iterable[tuple[int, int]]:
    """Yield the rank of each match: exact, wildcard in front, wildcard at the end; a longer pattern ranks higher."""
    for pattern in site.names:
        if name in (pattern, pattern.removeprefix(".")):
            yield 3, 0
        elif pattern.startswith(("*.", ".")) and name.endswith(pattern.removeprefix("*")):
            yield 2, len(pattern.removeprefix("*"))
        elif pattern.endswith(".*") and name.startswith(pattern[:-1]):
            yield 1, len(pattern)


def _undecided_reason(site: Website) -> str | None:
    """Return why a website may have a name that it does not list."""
    pattern = next((pattern[1:] for pattern in site.names if pattern.startswith("~")), None)
    return pattern and f"whether {site.service} serves it by the name {pattern!r} is known only at run time"
