"""Recipients: those of the configuration, the contacts that hosts report, and which of these get mail."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from audit.host.cpanel import is_address, read_forward, read_wwwacct
from audit.text import MAX_QUOTED, join_limited, shortened
from audit.x509.public_suffix import owned_domain
from remediate.hosts import trusted_script
from remediate.hosts.command import Command, CommandRunner

MAX_CONTACTS: Final = 5
"""The number of contacts of one host that get mail."""
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+"
)


class _OfHost(Protocol):
    """A value about one host."""

    @property
    def host(self) -> str:
        """The label of the host."""


OfHost = TypeVar("OfHost", bound=_OfHost)


def group_by_recipients(
    values: Sequence[OfHost], contacts: Mapping[str, tuple[str, ...]], default: tuple[str, ...]
) -> dict[tuple[str, ...], tuple[OfHost, ...]]:
    """Return the values of the hosts of each group of recipients: the contacts of a host, `default` if it has none."""
    groups: dict[tuple[str, ...], list[OfHost]] = {}
    for value in values:
        groups.setdefault(contacts.get(value.host) or default, []).append(value)
    return {recipients: tuple(group) for recipients, group in groups.items()}


@dataclass(frozen=True, slots=True)
class KnownHost:
    """A host as the user wrote it: whether it is this machine, and its names in the login and the configuration."""

    is_local: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PermittedContacts:
    """The contacts of a host that get mail, and lines about the others."""

    used: tuple[str, ...]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContactPolicy:
    """Contacts of any host in `domains` get mail. `hosts` are the known hosts by label."""

    domains: tuple[str, ...] = ()
    hosts: Mapping[str, KnownHost] = field(default_factory=dict)

    def permit(self, host: str, addresses: Sequence[str], reported: str | None) -> PermittedContacts:
        """Return which contacts of a host get mail. `reported` is the name that the host reports, if it does.

        That name counts only if the user wrote the host without a domain.
        """
        known = self.hosts.get(host, KnownHost(names=(host,)))
        if known.is_local:
            return PermittedContacts(tuple(addresses))
        own = _owned(known.names) or _owned(filter(None, [reported]))
        permitted = [address for address in addresses if self._is_permitted(address, own, {host, *known.names})]
        foreign = [address for address in addresses if address not in permitted]
        too_many = f"at most {MAX_CONTACTS} contacts of a host get mail"
        refused = (_refusal(host, foreign, self._why(own)), _refusal(host, permitted[MAX_CONTACTS:], too_many))
        return PermittedContacts(tuple(permitted[:MAX_CONTACTS]), tuple(filter(None, refused)))

    def permit_again(self, host: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Return which earlier recipients of a host still get mail, if the host cannot be read now.

        For a host that the user wrote without a domain, these are the contacts permitted when it reported its name.
        """
        is_named = _owned(self.hosts.get(host, KnownHost(names=(host,))).names)
        return self.permit(host, addresses, None).used if is_named else addresses

    def _is_permitted(self, address: str, own: frozenset[str], names: Iterable[str]) -> bool:
        domain = address.rpartition("@")[2].lower().rstrip(".")
        is_named = any(domain == allowed.lower() or domain.endswith(f".{allowed.lower()}") for allowed in self.domains)
        return is_named or domain in names or bool(_owned([domain]) & own)

    def _why(self, own: frozenset[str]) -> str:
        of_host = f"the host's own ({join_limited(sorted(own))})" if own else "the host's own, which is not known"
        return f"the domain is neither {of_host} nor that of [mail] to; allow it by [mail] allowed_domains"


def local_address(user: str, host: str) -> str:
    """Return the address of a user of a host; of a host whose name cannot be in an address, at `localhost`."""
    address = f"{user}@{host}"
    return address if is_address(address) else f"{user}@localhost"


def _refusal(host: str, addresses: Sequence[str], why: str) -> str:
    """Return the line about contacts that get no mail; empty if there are none."""
    if not addresses:
        return ""
    named = ", ".join(shortened(address, MAX_QUOTED) for address in addresses[:MAX_CONTACTS])
    more = f" and {len(addresses) - MAX_CONTACTS} more" if len(addresses) > MAX_CONTACTS else ""
    return f"no mail to {named}{more}, which {host} reports as contact{'s'[: len(addresses) > 1]}: {why}"


def _owned(names: Iterable[str]) -> frozenset[str]:
    """Return the registrable domains of names; none for an address or a name without a domain."""
    return frozenset(owned_domain(name) for name in names if "." in name.strip(".") and not _is_ip_address(name))


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def read_contact_command(host: str) -> Command:
    """Return the command that reads the contacts of a host's administrator; it reads nothing else of any file."""
    return Command(
        host,
        "read the contacts of its administrator",
        trusted_script("inspect/contacts"),
        changes=False,
        timeout_s=20.0,
    )


def read_contact(output: str, label: str) -> tuple[str, ...]:
    """Return the addresses in the output of that command; users of the host get its name as domain."""
    _, _, rest = output.partition("--- panel\n")
    panel, _, forward = rest.partition("--- forward\n")
    host = reported_name(output) or label
    return read_wwwacct(panel, host) or read_forward(forward, host)


def reported_name(output: str) -> str | None:
    """Return the name that the host reports, if it has a domain."""
    name = output.partition("--- panel\n")[0].strip()
    return name if is_domain(name) else None


def permitted_contacts(
    hosts: Iterable[str], sessions: Mapping[str, CommandRunner], policy: ContactPolicy
) -> dict[str, PermittedContacts]:
    """Return the contacts of the hosts that have a session, and which of them get mail."""
    outputs = ((host, sessions[host].run(read_contact_command(host))) for host in hosts if host in sessions)
    return {
        host: policy.permit(host, read_contact(done.output, host), reported_name(done.output))
        for host, done in outputs
        if done.ok
    }


def is_domain(text: str) -> bool:
    """Return whether a text is a domain name that mail can be addressed to."""
    return _DOMAIN.fullmatch(text) is not None
