"""The firewall rules that a new TCP connection from outside meets, whichever program manages them.

Conditions that this connection never or always meets (established, loopback) were evaluated when the rules were read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

MAX_NAMES: Final = 100
"""How many names of one host are validated on trial."""

Span = tuple[int, ...]
"""First and last of a range of ports, or of addresses as numbers."""

Attribute = Literal[
    "source",  # the address it comes from
    "destination",  # to which address of the host
    "port",  # to which port
    "country",  # the country it comes from: a table that is not read
    "unknown",  # anything else: it may match or not
]
Action = Literal[
    "accept",  # in this chain; later chains may still refuse
    "refuse",
    "jump",  # to another chain of the table, and back at its end
    "goto",  # to another chain of the table, and not back
    "return",  # to the chain that jumped here
    "pass",  # to the next rule
    "elsewhere",  # to another port, host or program, whose decision is not known
]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule. `spans` are sorted and disjoint; with an IP version it matches only that one."""

    asked: Attribute
    spans: tuple[Span, ...] = ()
    is_negated: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True)
class PacketRule:
    """The action for a connection that meets all conditions; `text` is about what its program prints."""

    action: Action
    conditions: tuple[Condition, ...] = ()
    target: str = ""  # of a jump
    text: str = ""
    number: int = 0  # in the chain, from 1, if its program counts them; else 0


@dataclass(frozen=True, slots=True)
class RuleChain:
    """Rules in order. Every connection meets a chain with a stage; `policy` is the action at its end.

    Connections meet chains by stage, the lowest first. `version` is the IP version that the table is for; 0: both.
    """

    table: str  # "table inet filter", "iptables, table filter", "csf"
    name: str
    rules: tuple[PacketRule, ...] = ()
    stage: int | None = None
    policy: Literal["accept", "refuse"] = "accept"
    version: int = 0


@dataclass(frozen=True, slots=True)
class Firewall:
    """All chains of a host; `countries` are the settings that accept or refuse by country, each with its place.

    `kept_by` is the program that writes the rules, and overwrites changes by hand: csf, firewalld.
    """

    chains: tuple[RuleChain, ...] = ()
    countries: tuple[str, ...] = ()
    kept_by: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """A file in the directory that a CA fetches tokens from."""

    path: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class HttpValidation:
    """The names of a host that a CA validates by HTTP for a repair, and what its requests meet.

    `unread` has one message per part of the firewall that could not be read, `unlisted` one per token folder. `tokens`
    are those of earlier validations.
    """

    names: tuple[str, ...]
    firewall: Firewall = field(default_factory=Firewall)
    unread: tuple[str, ...] = ()
    tokens: tuple[Token, ...] = ()
    unlisted: tuple[str, ...] = ()
