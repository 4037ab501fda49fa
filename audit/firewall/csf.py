"""Reads the settings of the firewall csf about port 80 from lines of `csf.conf`, `csf.allow` and `csf.deny`.

csf translates them into iptables rules. They are read if the login may not list those rules. They are also read for
countries, because the rules name a country only by a set of addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from audit.firewall.nftables import HOOKS
from audit.firewall.ranges import MAYBE, condensed, of_addresses, of_ports, spans_of
from audit.observation.firewall import Condition, PacketRule, RuleChain

CONFIGURATION: Final = "/etc/csf/csf.conf"
SETTINGS: Final = (
    "TCP_IN", "TCP6_IN", "IPV6", "CC_ALLOW", "CC_DENY", "CC_ALLOW_FILTER", "CC_ALLOW_PORTS", "CC_ALLOW_PORTS_TCP",
    "TESTING",
)  # fmt: skip
LISTS: Final = {"/etc/csf/csf.allow": "accept", "/etc/csf/csf.deny": "refuse"}
CHAIN: Final = "LOCALINPUT"
"""A chain that csf makes in iptables: if it exists, csf is in force."""
_LINE: Final = re.compile(r'(?P<file>/etc/csf/[a-z.]+): (?P<name>[A-Z0-9_]+) *= *"(?P<value>[^"]*)"')


def read_csf(text: str) -> tuple[RuleChain, ...]:
    """Return the chains that these lines configure, one for each IP version; none if csf is not configured."""
    settings = _settings(text)
    if "TCP_IN" not in settings:
        return ()
    versions = (4, 6) if settings.get("IPV6") == "1" else (4,)
    return tuple(
        RuleChain("csf", "TCP_IN", tuple(condensed(_rules(text, settings, version))), HOOKS["input"], "refuse", version)
        for version in versions
    )


def read_countries(text: str, port: int = 80) -> tuple[str, ...]:
    """Return the settings that restrict a port to some countries, each with its file."""
    settings = _settings(text)
    names = [name for name in ("CC_DENY", "CC_ALLOW_FILTER") if settings.get(name)]
    if settings.get("CC_ALLOW_PORTS") and not _has(settings.get("TCP_IN", ""), port):
        names += ["CC_ALLOW_PORTS"] if _has(settings.get("CC_ALLOW_PORTS_TCP", ""), port) else []
    return tuple(f'{name} = "{settings[name]}" in {CONFIGURATION}' for name in names)


def _settings(text: str) -> Mapping[str, str]:
    return {match["name"]: match["value"].strip() for match in _LINE.finditer(text)}


def _has(ports: str, port: int) -> bool:
    return any(first <= port <= last for first, last in _ports(ports))


def _ports(text: str) -> tuple[tuple[int, ...], ...]:
    """Return the ports of `20,21,30000:35000`; other text is ignored."""
    return spans_of(of_ports(ports) for ports in re.findall(r"\d+(?::\d+)?", text))


def _rules(text: str, settings: Mapping[str, str], version: int) -> Iterator[PacketRule]:
    """Yield the rules in the order in which csf makes them."""
    country = Condition("country")
    if settings.get("CC_ALLOW"):
        yield PacketRule("accept", (country,), text=f'CC_ALLOW = "{settings["CC_ALLOW"]}"')
    for file, action in LISTS.items():
        for entry in re.findall(rf"^{re.escape(file)}: (.+)$", text, re.MULTILINE):
            conditions = _of_entry(entry.strip(), version)
            if conditions:
                yield PacketRule(
                    "accept" if action == "accept" else "refuse", conditions, text=f"{entry.strip()} in {file}"
                )
    yield from (
        PacketRule("refuse", (country,), text=f'{name} = "{settings[name]}"')
        for name in ("CC_DENY", "CC_ALLOW_FILTER")
        if settings.get(name)
    )
    ports = settings.get("TCP6_IN" if version == 6 else "TCP_IN", "")
    yield PacketRule("accept", (Condition("port", _ports(ports)),), text=f'TCP_IN = "{ports}"')
    if settings.get("CC_ALLOW_PORTS"):
        admitted = Condition("port", _ports(settings.get("CC_ALLOW_PORTS_TCP", "")))
        yield PacketRule("accept", (country, admitted), text=f'CC_ALLOW_PORTS = "{settings["CC_ALLOW_PORTS"]}"')


def _of_entry(entry: str, version: int) -> tuple[Condition, ...]:
    """Return the conditions of a line of a list; none if the line is not about incoming connections."""
    parts = entry.split("|")
    try:
        if len(parts) == 1:
            return (_from(entry, version),)
        if parts[0] != "tcp" or "in" not in parts[1:2]:
            return ()
        fields = dict(part.split("=", 1) for part in parts[2:])
    except ValueError:
        return (MAYBE,)  # a name, a file to include
    conditions = [Condition("port", _ports(fields["d"].replace("_", ":")))] if fields.get("d", "")[:1].isdigit() else []
    try:
        return (*conditions, *([_from(fields["s"], version)] if "s" in fields else []))
    except ValueError:
        return (*conditions, MAYBE)


def _from(text: str, version: int) -> Condition:
    address_version, span = of_addresses(text)
    return Condition("source", (span,) if address_version == version else (), version=address_version)
