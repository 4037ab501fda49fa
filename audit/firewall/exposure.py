"""Decides who can connect to the port that a CA uses: the addresses in the panel's script, and the whole Internet.

The rules were read before. No connection is made.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from audit.firewall.evaluate import Answer, answer, packet
from audit.observation.firewall import Firewall
from audit.text import listing

PORT: Final = 80
LISTED: Final = ("178.255.81.12", "178.255.81.13", "91.199.212.132", "199.66.201.132")
"""From where Sectigo fetches the proof, as the documentation of the panel's script has it."""
REFUSED_MAX: Final = 0.1
"""The share of the world that may be refused: a CA looks from six places or more, and with a tenth of the Internet
refused it loses one of them about as often as not. What is blocked for cause is never so much."""
SEED_SAYS: Final = "cPanel's script: Sectigo fetches the proof from four addresses, which the firewall has to admit"
TODAY_SAYS: Final = (
    "today: a CA fetches it from several places of the world that it does not publish (BR 3.2.2.9), so port 80 has to "
    "be open to all"
)


@dataclass(frozen=True, slots=True)
class Openness:
    """How many addresses were tried, which of them are refused and by what, and which are undecided and why."""

    tried: int
    refused: Mapping[str, str]
    unknown: Mapping[str, str]

    @property
    def is_narrow(self) -> bool:
        """Whether more are refused than one that is to be seen by the world can afford."""
        return len(self.refused) > REFUSED_MAX * self.tried

    @property
    def is_open(self) -> bool:
        """Whether it is known that not so many are refused."""
        return len(self.refused) + len(self.unknown) <= REFUSED_MAX * self.tried


def openness(firewall: Firewall, addresses: Iterable[str], own: Iterable[str]) -> Openness:
    """Return how open port 80 is to these addresses; `own` are the addresses of the host."""
    own, clients = tuple(own), tuple(addresses)
    answers: dict[str, Answer] = {client: answer(firewall, packet(client, PORT, own)) for client in clients}
    return Openness(
        len(clients),
        {client: found.because for client, found in answers.items() if found.verdict == "refused"},
        {client: found.because for client, found in answers.items() if found.verdict == "unknown"},
    )


def shortcomings(firewall: Firewall, own: Iterable[str]) -> tuple[str, ...]:
    """Return a message for each rule that closes the port to listed addresses."""
    by_rule: dict[str, list[str]] = {}
    for address, rule in openness(firewall, LISTED, own).refused.items():
        by_rule.setdefault(rule, []).append(address)
    return tuple(f"TCP port {PORT} is closed to {listing(found)}: {rule}" for rule, found in by_rule.items())


def narrowness(firewall: Firewall, own: Iterable[str], versions: Iterable[int]) -> tuple[tuple[str, ...], str]:
    """Return to which parts of the Internet the port is closed, and why that is uncertain ("" if it is certain)."""
    own = tuple(own)
    each = [openness(firewall, world(version), own) for version in versions]
    faults = [f"not every country gets through to TCP port {PORT}: {country}" for country in firewall.countries]
    faults += [
        f"of {seen.tried} addresses all over the Internet {len(seen.refused)} are refused at TCP port {PORT}, as "
        f"{address} by {rule}"
        for seen in each
        if seen.is_narrow
        for address, rule in (next(iter(seen.refused.items())),)
    ]
    return tuple(faults), next((reason for seen in each if not seen.is_open for reason in seen.unknown.values()), "")


def fix_hint(kept_by: str) -> str:
    """Return what an administrator has to do, for the program that keeps the rules."""
    return {
        "csf": "put 80 into TCP_IN of /etc/csf/csf.conf, take the countries out, and run `csf -r`",
        "firewalld": "run `firewall-cmd --permanent --add-service=http` and `firewall-cmd --reload`",
    }.get(kept_by, "let TCP port 80 in before that rule")


@cache
def world(version: int) -> tuple[str, ...]:
    """Return addresses that stand for the Internet: one in each block that registries have been given, none listed.

    The lower digits are spread, so that no two are the first of their blocks: rules name networks by those.
    """
    if version == 6:
        blocks = (0x2001_0200, 0x2001_0600, 0x2001_1200, 0x2001_4200, 0x2003_0000, 0x2400_0000, 0x2600_0000,
                  0x2610_0000, 0x2620_0000, 0x2800_0000, 0x2A00_0000, 0x2A10_0000, 0x2C00_0000)  # fmt: skip
        return tuple(
            str(ipaddress.IPv6Address(((block + 0x35 * number) << 96) + (0x5AFE << 64) + 0x1001 * number))
            for block in blocks
            for number in (1, 2)
        )
    found = (
        ipaddress.IPv4Address(f"{one}.{one * 73 % 251 + 1}.{one * 29 % 241 + 7}.{one % 97 + 101}")
        for one in range(1, 224)
    )
    return tuple(str(one) for one in found if one.is_global)
