"""Who is told about which host: recipients of the configuration, contacts of hosts, and which of them are permitted."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from audit.host.cpanel import read_forward, read_wwwacct
from audit.text import MAX_QUOTED, listing, shortened
from audit.x509.public_suffix import owned_domain
from remediate.hosts import trusted_script
from remediate.hosts.command import Command
from remediate.hosts.session import CommandRunner

MOST: Final = 5
"""Contacts of one host that get mail."""
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+"
)


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


def look_for_contact(host: str) -> Command:
    """Return the command that reads whom a host's administrator wants told; nothing else of any file is read."""
    return Command(
        host, "read whom its administrator wants told", trusted_script("contact"), changes=False, timeout_s=20.0
    )


def read_contact(output: str, label: str) -> tuple[str, ...]:
    """Return the addresses in the answer, users of the host itself with its name."""
    _, _, rest = output.partition("--- panel\n")
    panel, _, forward = rest.partition("--- forward\n")
    host = reported_name(output) or label
    return read_wwwacct(panel, host) or read_forward(forward, host)


def reported_name(output: str) -> str | None:
    """Return the name that the host gives itself, if it has a domain."""
    name = output.partition("--- panel\n")[0].strip()
    return name if is_domain(name) else None


def contacts(hosts: Iterable[str], hands: Mapping[str, CommandRunner], policy: ContactPolicy) -> dict[str, Permitted]:
    """Return the contacts of the hosts that can be asked, and which of them get mail."""
    answers = ((host, hands[host].run(look_for_contact(host))) for host in hosts if host in hands)
    return {
        host: policy.permit(host, read_contact(done.output, host), reported_name(done.output))
        for host, done in answers
        if done.ok
    }


def is_domain(text: str) -> bool:
    """Tell whether a text is a name with a domain, to which mail can be addressed."""
    return _DOMAIN.fullmatch(text) is not None
