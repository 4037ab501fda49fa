"""The rules that a connection to a host meets, whichever program keeps them: chains of rules as frozen values.

It knows what a rule can say of a new TCP connection from outside, and judges nothing. What says nothing of such a
connection (that one is established already, or comes in by loopback) was decided where the rules were read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Span = tuple[int, ...]
"""First and last of a range of ports, or of addresses as numbers."""

Asked = Literal[
    "source",  # where it comes from
    "destination",  # to which address of the host
    "port",  # to which port
    "country",  # where on earth it comes from: a table that is not read
    "unknown",  # something else: it may hold or not
]
Action = Literal[
    "accept",  # by this chain; those after it may yet refuse
    "refuse",
    "jump",  # to another chain of the table, and back where that ends
    "goto",  # to another chain of the table, and not back
    "return",  # to where this chain was called from
    "pass",  # to the next rule
    "elsewhere",  # to another port, host or program: what becomes of it there is not known
]


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that a rule asks. `spans` in order and apart; with an IP version it holds for that one alone."""

    asked: Asked
    spans: tuple[Span, ...] = ()
    is_negated: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of a connection for which all conditions hold; `text` about as its program writes it."""

    action: Action
    conditions: tuple[Condition, ...] = ()
    target: str = ""  # of a jump
    text: str = ""
    number: int = 0  # as its program counts in the chain, from 1; 0: it does not


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules in order. One with a stage is met by every connection; `policy` is what becomes of one at its end.

    Connections meet chains by stage, the lowest first. `version` is the IP version that the table is for; 0: both.
    """

    table: str  # "table inet filter", "iptables, table filter", "csf"
    name: str
    rules: tuple[Rule, ...] = ()
    stage: int | None = None
    policy: Literal["accept", "refuse"] = "accept"
    version: int = 0


@dataclass(frozen=True, slots=True)
class Firewall:
    """All chains of a host; `countries` are the settings that admit or refuse by country, each with its place.

    `kept_by` is the program that writes the rules and would write over what is put there by hand: csf, firewalld.
    """

    chains: tuple[Chain, ...] = ()
    countries: tuple[str, ...] = ()
    kept_by: str = ""
