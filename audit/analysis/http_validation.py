"""Finds what blocks a CA at port 80: responses without the token, and redirects that no CA follows (BR 3.2.2.4.18)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urljoin, urlsplit

from audit.analysis import Uncertain
from audit.analysis.cpanel import closed_by_firewall
from audit.analysis.reachability import UNRESOLVABLE
from audit.observation import HttpProbe
from audit.observation.firewall import Firewall
from audit.text import join_clauses, join_limited

_FOLLOWED: Final = (301, 302, 307, 308)
_PORTS: Final = {"http": 80, "https": 443}
_MISSING: Final = (404, 410)
"""The expected statuses: the requested file does not exist."""

RedirectChain = tuple[HttpProbe, ...]
"""The responses of one address, from the first request to the last redirect that was followed."""


@dataclass(frozen=True, slots=True)
class ValidationFault:
    """What keeps a CA from the token at one address; `is_silent` if there was no response."""

    why: str
    remedy: Literal["host", "configure"]
    is_silent: bool = False


def redirect_chains(probes: Iterable[HttpProbe]) -> tuple[RedirectChain, ...]:
    """Return the responses of each name at each address in the order in which one redirects to the next."""
    by_place: dict[tuple[str | None, str], list[HttpProbe]] = {}
    for probe in probes:
        by_place.setdefault((urlsplit(probe.url).hostname, probe.address), []).append(probe)
    return tuple(map(tuple, by_place.values()))


def blocking_faults(chains: Iterable[RedirectChain]) -> list[ValidationFault]:
    """Return why last responses block validation; addresses that this machine cannot reach are left out."""
    return [fault for chain in chains if chain[-1].can_tell and (fault := _blocking_fault(chain))]


def invalid_redirects(chains: Iterable[RedirectChain]) -> list[str]:
    """Return one message per address with a redirect that a CA does not follow."""
    return [message for chain in chains if (message := _invalid_redirect(chain))]


def closed_because(faults: Sequence[ValidationFault], firewall: Firewall, own: tuple[str, ...]) -> Uncertain | None:
    """Return a message if the firewall explains why no address responds; None if it does not, or if one responds."""
    return closed_by_firewall(firewall, own) if faults and all(fault.is_silent for fault in faults) else None


def unprobed(chains: Sequence[RedirectChain]) -> Uncertain | None:
    """Return which addresses and which targets of redirects were not probed; None if all were."""
    ends = [chain[-1] for chain in chains]
    unseen = [f"{end.address} cannot be probed from here: {end.detail}" for end in ends if not end.can_tell]
    unseen += [
        f"{chain[0].address} redirects to {target!r}, which was not probed"
        for chain in chains
        if (target := _unfollowed_location(chain))
    ]
    return Uncertain(join_clauses(unseen)) if unseen else None


def unprobed_names(names: Iterable[str], chains: Sequence[RedirectChain]) -> Uncertain | None:
    """Return which names were not probed; None if all were. A name without an address is a finding of its endpoint."""
    seen = {urlsplit(chain[0].url).hostname for chain in chains}
    missing = [name for name in names if name.lower() not in seen]
    return Uncertain(f"not probed: {join_limited(missing)}", because=UNRESOLVABLE) if missing else None


def _blocking_fault(chain: RedirectChain) -> ValidationFault | None:
    """Return why the last response blocks validation; None if it does not, or redirects to what was not probed."""
    last = chain[-1]
    request = f"{chain[0].url} at {last.address}" + (f" redirects to {last.url}, which" if len(chain) > 1 else "")
    if last.status is None:
        return ValidationFault(f"{request} gives no response: {last.detail}", "host", is_silent=True)
    if last.status in _MISSING or last.status < 400:
        return None
    by = f" (server {last.server!r})" if last.server else ""
    begins = f", and the response begins {last.beginning!r}" if last.beginning.strip() else ""
    return ValidationFault(f"{request} returns {last.status} instead of 404{by}{begins}", "configure")


def _invalid_redirect(chain: RedirectChain) -> str | None:
    """Return the first redirect that a CA does not follow, and why."""
    for probe in chain:
        why = _unfollowed(probe, chain)
        if why:
            return f"{probe.url} at {probe.address} redirects with {probe.status} to {probe.location!r}: {why}"
    return None


def _unfollowed_location(chain: RedirectChain) -> str | None:
    """Return where the last response redirects to, if a CA follows there and it was not probed."""
    last = chain[-1]
    return urljoin(last.url, last.location) if _redirects(last) and not _invalid_redirect(chain) else None


def _redirects(probe: HttpProbe) -> bool:
    return probe.status is not None and 300 <= probe.status < 400 and probe.status != 304 and bool(probe.location)


def _unfollowed(probe: HttpProbe, chain: RedirectChain) -> str:
    """Return why a CA does not follow a redirect; "" if it does, or if there is none."""
    if not _redirects(probe):
        return ""
    if probe.status not in _FOLLOWED:
        return "a CA follows only the statuses 301, 302, 307 and 308"
    try:
        target = urlsplit(location := urljoin(probe.url, probe.location))
        port = target.port
    except ValueError as error:
        return f"it is not a URL: {error}"
    if target.scheme not in _PORTS or not target.hostname:
        return "a CA follows redirects only to http and https"
    if (port or _PORTS[target.scheme]) not in _PORTS.values():
        return "a CA follows redirects only to the ports 80 and 443"
    if location in [earlier.url for earlier in chain[: chain.index(probe) + 1]]:
        return "the redirects form a loop"
    if probe is chain[-1] and target.hostname == urlsplit(probe.url).hostname:
        return f"there are more than {len(chain)} redirects"
    return ""
