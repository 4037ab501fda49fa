"""Selects the settings of dovecot that apply to a protocol, an address of the host and a requested name.

`protocol`, `local` and `local_name` limit settings to some connections, also inside each other. From version 2.4 on the
last of the matching blocks wins. In 2.3 the most specific one wins, and of equally specific ones the first. If two
blocks are specific in different ways and have different values, 2.3 ends the connection.

`doveconf -f` also selects settings. But 2.4.1 leaves out a `protocol` inside a `local`, which the daemon applies.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from audit.services.dovecot.syntax import DovecotBlock


@dataclass(frozen=True, slots=True)
class Connection:
    """A protocol, the address of the host if one is meant, and the requested name if there is one."""

    protocol: str
    address: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """The conditions of a block; None if it has no condition of that kind."""

    protocol: str | None = None
    local: str | None = None
    names: tuple[str, ...] | None = None
    remote: str | None = None  # the client's address or network

    def inside(self, block: DovecotBlock) -> Filter | None:
        """Return the conditions of a block inside this one; None if the block is not a filter."""
        match block.kind:
            case "protocol":
                return replace(self, protocol=block.name)
            case "local":
                return replace(self, local=block.name)
            case "local_name":
                return replace(self, names=tuple(name.lower().strip('"') for name in block.name.split()))
            case "remote":
                return replace(self, remote=block.name)
        return None

    @property
    def networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """The network of `local`; none if it is a host name."""
        try:
            return (ipaddress.ip_network(self.local or "", strict=False),)
        except ValueError:
            return ()

    def addresses(self, own: tuple[str, ...]) -> tuple[str, ...]:
        """Return the addresses of `local`: of a network those of the host, of a host name none."""
        single = tuple(network[0].compressed for network in self.networks if network.num_addresses == 1)
        return single or tuple(address for address in own if self.covers(address))

    def covers(self, address: str | None) -> bool:
        """Return whether an address of the host is one of `local`; None is any other address."""
        return address is not None and any(ipaddress.ip_address(address) in network for network in self.networks)

    @property
    def is_one_address(self) -> bool:
        """Whether `local` is an address, and not a network or a host name."""
        return any(network.num_addresses == 1 for network in self.networks)

    def is_for_protocol(self, protocol: str) -> bool:
        """Return whether the block applies to a protocol; `!imap` is all others."""
        if self.protocol is None:
            return True
        return (self.protocol.lstrip("!") == protocol) != self.protocol.startswith("!")

    def matches(self, connection: Connection) -> bool:
        """Return whether the block applies to a connection of any client."""
        return self.remote is None and self.may_match(connection)

    def may_match(self, connection: Connection) -> bool:
        """Return whether the block applies to a connection of some client."""
        if not self.is_for_protocol(connection.protocol):
            return False
        if self.names is not None and not any(_matches(name, connection.name) for name in self.names):
            return False
        return self.local is None or self.covers(connection.address)

    @property
    def order(self) -> tuple[bool, int, bool]:
        """How specific the block is in 2.3."""
        bits = max((network.prefixlen for network in self.networks), default=-1)
        return self.names is not None, bits, self.protocol is not None

    def conflicts_with(self, other: Filter) -> bool:
        """Return whether 2.3 cannot decide between two blocks that both apply and have different values.

        It can if one is as specific as the other in every way, or if one has no address and no name.
        """
        pairs = tuple(zip(self.order, other.order, strict=True))
        is_ordered = all(own <= others for own, others in pairs) or all(own >= others for own, others in pairs)
        return not is_ordered and all(block.local or block.names is not None for block in (self, other))


def _matches(pattern: str, name: str | None) -> bool:
    """Return whether a name of `local_name` covers a requested name; a wildcard is one label."""
    if name is None or not pattern.startswith("*."):
        return name is not None and pattern == name.lower()
    return pattern[1:] == name.lower()[name.find(".") :]


@dataclass(frozen=True)
class FilteredSettings:
    """The settings of a whole configuration by the conditions under which they apply, in the order of the file."""

    root: DovecotBlock

    @cached_property
    def rules(self) -> tuple[tuple[Filter, Mapping[str, str]], ...]:
        """The conditions and settings of each block."""
        return tuple(self._rules(self.root, Filter()))

    def _rules(self, block: DovecotBlock, conditions: Filter) -> Iterator[tuple[Filter, Mapping[str, str]]]:
        groups = (
            group.settings
            for key, value in block.settings.items()
            if key.startswith("@")
            for group in self.root.of("group", f"{key} {value}")
        )
        yield conditions, {key: value for settings in (*groups, block.settings) for key, value in settings.items()}
        for child in block.blocks:
            inside = conditions.inside(child)
            if inside is not None:
                yield from self._rules(child, inside)

    def apply(self, connection: Connection) -> tuple[dict[str, str], tuple[str, ...]]:
        """Return the settings of a connection, and the names of those between which 2.3 cannot decide."""
        matching = [(conditions, settings) for conditions, settings in self.rules if conditions.matches(connection)]
        if not self.root.is_24:
            first = {conditions: -index for index, (conditions, _) in reversed(list(enumerate(matching)))}
            matching.sort(key=lambda rule: (rule[0].order, first[rule[0]]))
        result: dict[str, str] = {}
        origins: dict[str, Filter] = {}
        undecided: dict[str, None] = {}
        for conditions, settings in matching:
            for key, value in settings.items():
                is_other = key in result and result[key] != value
                if is_other and not self.root.is_24 and conditions.conflicts_with(origins[key]):
                    undecided[key] = None
                result[key], origins[key] = value, conditions
        return result, tuple(undecided)
