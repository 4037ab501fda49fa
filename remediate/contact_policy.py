"""Which of the contacts that a host reports get mail: a hostile host must not have other people written to.

The contacts of this machine itself are in files of root's, and are used as they are. Those of another host are used if
their domain is the host's own, that of a configured recipient, or allowed by the configuration; at most five of them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from audit.text import MAX_QUOTED, listing, shortened
from audit.x509.public_suffix import owned_domain

MOST: Final = 5
"""Contacts of one host that get mail."""


@dataclass(frozen=True, slots=True)
class KnownHost:
    """A host as the user named it: whether it is this machine, and by which names it is logged into or configured."""

    is_local: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Permitted:
    """The contacts of a host that get mail, and lines about those that get none."""

    used: tuple[str, ...]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContactPolicy:
    """`domains` may be written to on behalf of any host; `hosts` are what is known of each, by its label."""

    domains: tuple[str, ...] = ()
    hosts: Mapping[str, KnownHost] = field(default_factory=dict)

    def permit(self, host: str, addresses: Sequence[str], reported: str | None) -> Permitted:
        """Return which contacts of a host get mail. `reported` is the host's name by its own word, if it gave one.

        That name counts only if the user named the host without a domain.
        """
        known = self.hosts.get(host, KnownHost(names=(host,)))
        if known.is_local:
            return Permitted(tuple(addresses))
        own = _owned(known.names) or _owned(filter(None, [reported]))
        alike = [address for address in addresses if self._is_permitted(address, own, {host, *known.names})]
        foreign = [address for address in addresses if address not in alike]
        beyond = f"at most {MOST} contacts of a host get mail"
        refused = (_refusal(host, foreign, self._why(own)), _refusal(host, alike[MOST:], beyond))
        return Permitted(tuple(alike[:MOST]), tuple(filter(None, refused)))

    def permit_again(self, host: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Return which addresses that were written to about a host still get mail, if it cannot be asked now.

        Of a host that the user named without a domain they are what was permitted when it reported its name.
        """
        is_named = _owned(self.hosts.get(host, KnownHost(names=(host,))).names)
        return self.permit(host, addresses, None).used if is_named else addresses

    def _is_permitted(self, address: str, own: frozenset[str], names: Iterable[str]) -> bool:
        domain = address.rpartition("@")[2].lower().rstrip(".")
        is_named = any(domain == one.lower() or domain.endswith(f".{one.lower()}") for one in self.domains)
        return is_named or domain in names or bool(_owned([domain]) & own)

    def _why(self, own: frozenset[str]) -> str:
        of_host = f"the host's own ({listing(sorted(own))})" if own else "the host's own, which is not known"
        return f"the domain is neither {of_host} nor that of [mail] to; allow it by [mail] allowed_domains"


def _refusal(host: str, addresses: Sequence[str], why: str) -> str:
    """Return the line about contacts that get no mail; nothing if there are none."""
    if not addresses:
        return ""
    named = ", ".join(shortened(address, MAX_QUOTED) for address in addresses[:MOST])
    more = f" and {len(addresses) - MOST} more" if len(addresses) > MOST else ""
    return f"no mail to {named}{more}, which {host} reports as contact{'s'[: len(addresses) > 1]}: {why}"


def _owned(names: Iterable[str]) -> frozenset[str]:
    """Return the domains of one owner that names are in; none for an address, or a name without a domain."""
    return frozenset(owned_domain(name) for name in names if "." in name.strip(".") and not _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
