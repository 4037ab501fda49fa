"""Reads the rules of iptables and ip6tables as `iptables-save` prints them.

Matches in common use are read; any other match becomes a condition that may hold or not. A set of addresses (ipset) is
not read, so it is unknown whether an address is in it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from audit.firewall.nftables import HOOKS
from audit.firewall.ranges import MAYBE, condensed, folded, of_addresses, of_ports, spans_of
from audit.observation.firewall import Action, Condition, PacketRule, RuleChain

_STAGES: Final[Mapping[tuple[str, str], int]] = {
    ("raw", "PREROUTING"): HOOKS["prerouting"] - 300, ("mangle", "PREROUTING"): HOOKS["prerouting"] - 150,
    ("nat", "PREROUTING"): HOOKS["prerouting"] - 100, ("mangle", "INPUT"): HOOKS["input"] - 150,
    ("filter", "INPUT"): HOOKS["input"], ("security", "INPUT"): HOOKS["input"] + 50,
    ("nat", "INPUT"): HOOKS["input"] + 100,
}  # fmt: skip
_TARGETS: Final[Mapping[str, Action]] = {
    "ACCEPT": "accept", "DROP": "refuse", "REJECT": "refuse", "RETURN": "return",
    **dict.fromkeys(("LOG", "NFLOG", "ULOG", "AUDIT", "TRACE", "MARK", "CONNMARK", "SECMARK", "CONNSECMARK", "CT",
                     "NOTRACK", "SET", "TCPMSS", "TOS", "DSCP", "TTL", "HL", "CHECKSUM", "CLASSIFY"), "pass"),
}  # fmt: skip
_SILENT: Final = (
    "-m", "--match", "--comment", "--limit-burst", "--connlimit-mask", "--hashlimit-burst", "--hashlimit-mode",
    "--hashlimit-name", "--hashlimit-htable-size", "--hashlimit-htable-max", "--hashlimit-htable-expire",
    "--hashlimit-htable-gcinterval", "--hashlimit-srcmask", "--connlimit-saddr", "--validmark", "--loose",
    "--accept-local",
)  # fmt: skip
_WITHIN: Final = ("--limit", "--hashlimit-upto", "--connlimit-upto")  # one connection is within any rate
_BEYOND: Final = ("--hashlimit-above", "--connlimit-above")  # and not beyond any
_COUNTRY: Final = re.compile(r"cc_|geo|country", re.IGNORECASE)  # usual names of sets of a country's addresses


def read_iptables(text: str, version: int, interfaces: Sequence[str] = ()) -> tuple[RuleChain, ...]:
    """Return the chains of an IP version; `interfaces` are those through which connections come in.

    Raises ValueError if the text is not output of iptables-save.
    """
    chains: dict[tuple[str, str], tuple[str, list[str]]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            name, policy, *_ = line[1:].split()
            chains[table, name] = (policy, [])
        elif line.startswith(("-A ", "[")):
            words = re.sub(r"^\[[0-9:]+\] ", "", line)
            chain = "".join(words.split()[1:2])
            if (table, chain) not in chains:
                raise ValueError(f"a rule is in a chain that is not declared: {line[:80]!r}")
            chains[table, chain][1].append(words)
        elif line.strip() and not line.startswith(("#", "COMMIT")):
            raise ValueError(f"not output of iptables-save: {line[:80]!r}")
    reader = _Reader(version, interfaces, frozenset(chains))
    return tuple(reader.chain(*key, *chain_text) for key, chain_text in chains.items())


class _Reader:
    """Reads the rules in a set of tables of one IP version."""

    def __init__(self, version: int, interfaces: Sequence[str], names: frozenset[tuple[str, str]]) -> None:
        self._version, self._interfaces, self._names = version, interfaces, names

    def chain(self, table: str, name: str, policy: str, lines: Sequence[str]) -> RuleChain:
        """Return a chain with its rules."""
        program = "ip6tables" if self._version == 6 else "iptables"
        rules = tuple(condensed(self._rule(table, line, number) for number, line in enumerate(lines, 1)))
        stage = _STAGES.get((table, name))
        return RuleChain(
            f"{program}, table {table}", name, rules, stage, "refuse" if policy == "DROP" else "accept", self._version
        )

    def _rule(self, table: str, line: str, number: int) -> PacketRule:
        conditions: list[Condition] = []
        text = line.partition(" ")[2].partition(" ")[2][:160]
        for option, values, is_negated in _options(shlex.split(line)[2:]):
            if option in ("-j", "--jump", "-g", "--goto") and values:
                action: Action = "goto" if option in ("-g", "--goto") else "jump"
                if (table, values[0]) not in self._names:
                    action = _TARGETS.get(values[0], "elsewhere")
                return PacketRule(action, tuple(conditions), values[0], text, number)
            if option not in _SILENT:
                conditions.append(self._condition(option, values, is_negated=is_negated))
        return PacketRule("pass", tuple(conditions), "", text, number)

    def _condition(self, option: str, values: Sequence[str], *, is_negated: bool) -> Condition:
        try:
            return self._known(option, values, is_negated=is_negated)
        except (ValueError, IndexError):
            return MAYBE  # values in an unknown form

    def _known(self, option: str, values: Sequence[str], *, is_negated: bool) -> Condition:
        match option:
            case "-s" | "--source" | "--src-range":
                return Condition("source", _addresses(values[0]), is_negated, self._version)
            case "-d" | "--destination" | "--dst-range":
                return Condition("destination", _addresses(values[0]), is_negated, self._version)
            case "--dport" | "--dports" | "--destination-port" | "--destination-ports":
                return Condition("port", spans_of(map(of_ports, values[0].split(","))), is_negated)
            case "-i" | "--in-interface":
                return self._by_interface(values[0], is_negated=is_negated)
            case "--match-set" | "--src-cc" | "--source-country":
                is_country = option != "--match-set" or _COUNTRY.search(values[0])
                return Condition("country" if is_country else "unknown")
        holds = _decided(option, values)
        return MAYBE if holds is None else folded(holds, is_negated=is_negated)

    def _by_interface(self, name: str, *, is_negated: bool) -> Condition:
        if name == "lo":
            return folded(False, is_negated=is_negated)
        if len(self._interfaces) != 1:
            return MAYBE
        first = self._interfaces[0]
        return folded(first.startswith(name[:-1]) if name.endswith("+") else first == name, is_negated=is_negated)


def _options(words: Sequence[str]) -> Iterator[tuple[str, Sequence[str], bool]]:
    """Yield each option with its values, and whether it is negated."""
    index, is_negated = 0, False
    while index < len(words):
        if words[index] == "!":
            index, is_negated = index + 1, True
            continue
        end = index + 1
        while end < len(words) and not (words[end] == "!" or re.match(r"--?[a-zA-Z]", words[end])):
            end += 1
        yield words[index], words[index + 1 : end], is_negated
        index, is_negated = end, False


def _addresses(text: str) -> tuple[tuple[int, ...], ...]:
    return spans_of(of_addresses(part)[1] for part in text.split(","))


def _decided(option: str, values: Sequence[str]) -> bool | None:
    """Return whether an option holds for every new TCP connection from outside, or for none; None if that depends."""
    match option:
        case "-p" | "--protocol":
            return values[0] in ("tcp", "6", "all", "0")
        case "--state" | "--ctstate":
            return "NEW" in values[0].split(",")
        case "--syn":
            return True
        case "--tcp-flags":
            mask = {flag for flag in values[0].split(",") if flag != "NONE"}
            required = {flag for flag in values[1].split(",") if flag != "NONE"}
            return ({"SYN"} & mask or ({"SYN"} if "ALL" in mask else set())) == required
        case "--ctstatus":  # set only for connections under way, and for redirected ones
            return "NONE" in values[0].split(",")
        case "--dst-type":
            return bool({"LOCAL", "UNICAST"} & set(values[0].split(",")))
        case "--src-type":
            return "UNICAST" in values[0].split(",")
        case "-f" | "--invert":  # a fragment; of rpfilter: no route back to a client outside
            return False
    if option in _WITHIN:
        return True
    return False if option in _BEYOND else None
