"""Decides which clients can connect to the port that a CA uses: the listed addresses, and the whole Internet.

It evaluates rules that were read before. It makes no connection.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from audit.firewall.evaluate import judge_packet, packet
from audit.observation.firewall import Firewall
from audit.text import join_limited

PORT: Final = 80
LISTED: Final = ("178.255.81.12", "178.255.81.13", "91.199.212.132", "199.66.201.132")
"""The addresses from which Sectigo fetches the token, by the documentation of the panel's script."""
REFUSED_MAX: Final = 0.1
"""The share of the Internet that may be refused.

A CA connects from six places or more. If a tenth of the Internet is refused, one of them fails about every second time.
Blocklists of abusive networks refuse far less.
"""
CPANEL_RULE: Final = "cPanel's script: Sectigo fetches the token from four addresses, which the firewall must allow"
CURRENT_PRACTICE: Final = (
    "current practice: a CA fetches it from several places that it does not publish (BR 3.2.2.9), so port 80 must be "
    "open to all"
)


@dataclass(frozen=True, slots=True)
class Openness:
    """How many addresses were tried, which are refused by which rule, and which are undecided by which rule."""

    tried: int
    refused: Mapping[str, str]
    unknown: Mapping[str, str]

    @property
    def is_narrow(self) -> bool:
        """Whether more addresses are refused than the limit."""
        return len(self.refused) > REFUSED_MAX * self.tried

    @property
    def is_open(self) -> bool:
        """Whether the refused and the undecided addresses together are within the limit."""
        return len(self.refused) + len(self.unknown) <= REFUSED_MAX * self.tried


def openness(firewall: Firewall, addresses: Iterable[str], own: Iterable[str]) -> Openness:
    """Return how open port 80 is to these addresses; `own` are the addresses of the host."""
    own, clients = tuple(own), tuple(addresses)
    verdicts = {client: judge_packet(firewall, packet(client, PORT, own)) for client in clients}
    return Openness(
        len(clients),
        {client: result.because for client, result in verdicts.items() if result.verdict == "refused"},
        {client: result.because for client, result in verdicts.items() if result.verdict == "unknown"},
    )


def shortcomings(firewall: Firewall, own: Iterable[str]) -> tuple[str, ...]:
    """Return a message for each rule that closes the port to listed addresses."""
    by_rule: dict[str, list[str]] = {}
    for address, rule in openness(firewall, LISTED, own).refused.items():
        by_rule.setdefault(rule, []).append(address)
    return tuple(
        f"TCP port {PORT} is closed to {join_limited(addresses)}: {rule}" for rule, addresses in by_rule.items()
    )


def narrowness(firewall: Firewall, own: Iterable[str], versions: Iterable[int]) -> tuple[tuple[str, ...], str]:
    """Return a message for each part of the Internet to which the port is closed, and a doubt ("" if there is none)."""
    own = tuple(own)
    results = [openness(firewall, sample_addresses(version), own) for version in versions]
    faults = [f"some countries cannot connect to TCP port {PORT}: {country}" for country in firewall.countries]
    faults += [
        f"{len(result.refused)} of {result.tried} sampled Internet addresses are refused at TCP port {PORT}, such as "
        f"{address} by {rule}"
        for result in results
        if result.is_narrow
        for address, rule in (next(iter(result.refused.items())),)
    ]
    doubts = (reason for result in results if not result.is_open for reason in result.unknown.values())
    return tuple(faults), next(doubts, "")


def fix_hint(kept_by: str) -> str:
    """Return the next action of an administrator, for the program that keeps the rules."""
    return {
        "csf": "add 80 to TCP_IN in /etc/csf/csf.conf, remove the countries, and run `csf -r`",
        "firewalld": "run `firewall-cmd --permanent --add-service=http` and `firewall-cmd --reload`",
    }.get(kept_by, "accept TCP port 80 before that rule")


@cache
def sample_addresses(version: int) -> tuple[str, ...]:
    """Return a sample of the Internet's addresses: one in each block of the registries, and no listed one.

    The lower digits are spread, because rules name networks by the first address of a block.
    """
    if version == 6:
        blocks = (0x2001_0200, 0x2001_0600, 0x2001_1200, 0x2001_4200, 0x2003_0000, 0x2400_0000, 0x2600_0000,
                  0x2610_0000, 0x2620_0000, 0x2800_0000, 0x2A00_0000, 0x2A10_0000, 0x2C00_0000)  # fmt: skip
        return tuple(
            str(ipaddress.IPv6Address(((block + 0x35 * number) << 96) + (0x5AFE << 64) + 0x1001 * number))
            for block in blocks
            for number in (1, 2)
        )
    addresses = (
        ipaddress.IPv4Address(f"{octet}.{octet * 73 % 251 + 1}.{octet * 29 % 241 + 7}.{octet % 97 + 101}")
        for octet in range(1, 224)
    )
    return tuple(str(address) for address in addresses if address.is_global)
