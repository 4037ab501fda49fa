"""Reads a match of nftables as a condition on a new TCP connection from outside.

Conditions that hold for all connections of this kind are decided here: the state is new, the interface is not
loopback, rates are not exceeded. Unknown matches may hold or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from audit.firewall.nftables_text import written
from audit.firewall.ranges import ALWAYS, MAYBE, NEVER, folded, of_addresses, of_ports, of_version, spans_of
from audit.observation.firewall import Condition

_FIELDS: Final[Mapping[tuple[str, str], str]] = {
    ("ip", "saddr"): "source", ("ip6", "saddr"): "source", ("ip", "daddr"): "destination",
    ("ip6", "daddr"): "destination", ("tcp", "dport"): "port", ("th", "dport"): "port", ("ip", "protocol"): "protocol",
    ("ip6", "nexthdr"): "protocol", ("tcp", "flags"): "flags",
}  # fmt: skip
_KEYS: Final = {
    "l4proto": "protocol", "nfproto": "version", "protocol": "version", "iif": "interface", "iifname": "interface",
}  # fmt: skip
_OTHERS: Final = ("udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "arp", "ah", "esp")  # not TCP
_VERSIONS: Final = {"ipv4": 4, "ipv6": 6, "ip": 4, "ip6": 6, 2: 4, 10: 6}
_HOLDING_VALUES: Final[Mapping[str, frozenset[object]]] = {
    "protocol": frozenset({"tcp", 6, "6"}),
    "state": frozenset({"new"}),
    "flags": frozenset({"syn"}),
    "status": frozenset(),  # set only for connections under way, and for redirected ones
    "way back": frozenset({True, "exists"}),  # there is a route back to a client outside
}
_BOUNDS: Final = ("<", "<=", ">", ">=")
Sets = Mapping[tuple[str, str, str], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Table:
    """The scope of a rule: its table, all named sets, and the interfaces through which connections come in."""

    family: str
    name: str
    sets: Sets
    interfaces: Sequence[str]

    def elements(self, right: Any) -> Sequence[Any] | None:  # noqa: ANN401 - any JSON value
        """Return the elements on the right of a match; None if they are unknown."""
        match right:
            case str() if right.startswith("@"):
                elements = self.sets.get((self.family, self.name, right[1:]))
                return None if elements is None else [_bare(element) for element in elements]
            case {"set": list(inner)}:
                return [_bare(element) for element in inner]
            case {"set": inner}:
                return self.elements(inner)
            case {"|": list(inner)}:
                return [element for part in inner for element in self.elements(part) or ()]
            case list():
                return right
        return [right]

    def match(self, left: Any, op: str, right: Any) -> Condition:  # noqa: ANN401 - any JSON value
        """Return the condition of a match."""
        values, subject = self.elements(right), _subject(left)
        if subject == "never":
            return NEVER
        if op in _BOUNDS and subject == "port" and isinstance(right, int):
            return _bounded(op, right)
        if values is None or op not in ("==", "!=", "in"):
            return MAYBE
        return self.one_of(left, values, is_negated=op == "!=")

    def one_of(self, left: Any, values: Sequence[Any], *, is_negated: bool = False) -> Condition:  # noqa: ANN401 - any JSON value
        """Return the condition that the left side is one of these values."""
        subject = _subject(left)
        try:
            match subject:
                case "source" | "destination":
                    return _addressed(subject, _version_of(left), map(written, values), is_negated=is_negated)
                case "port":
                    return Condition("port", spans_of(of_ports(written(value)) for value in values), is_negated)
                case "version":
                    return _versioned({_VERSIONS[value] for value in values}, is_negated=is_negated)
                case "interface":
                    return self._by_interface(list(map(str, values)), is_negated=is_negated)
                case _ if subject in _HOLDING_VALUES:
                    bits = _masked(left, _HOLDING_VALUES[subject], self)
                    return folded(bool(bits & set(values)) or (not bits and values == [0]), is_negated=is_negated)
        except (ValueError, KeyError, TypeError):
            return MAYBE  # values in an unknown form
        return MAYBE

    def _by_interface(self, values: Sequence[str], *, is_negated: bool) -> Condition:
        if all(interface == "lo" for interface in values):
            return folded(False, is_negated=is_negated)
        if len(self.interfaces) != 1 or any("*" in interface for interface in values):
            return MAYBE
        return folded(self.interfaces[0] in values, is_negated=is_negated)


def _bare(element: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return an element of a set without its age, comment and counter."""
    return _bare(element["elem"]["val"]) if isinstance(element, Mapping) and "elem" in element else element


def _subject(left: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return our word for the field that a match examines."""
    match left:
        case {"payload": {"protocol": protocol}} if protocol in _OTHERS:
            return "never"
        case {"payload": {"protocol": protocol, "field": name}}:
            return _FIELDS.get((protocol, name), "unknown")
        case {"meta": {"key": key}}:
            return _KEYS.get(key, "unknown")
        case {"ct": {"key": "state" | "status" as key}}:
            return str(key)
        case {"fib": {"result": "oif", "flags": list(flags)}} if "saddr" in flags:
            return "way back"
        case {"&": [inner, _]} if _subject(inner) == "flags":
            return "flags"
    return "unknown"


def _version_of(left: Mapping[str, Any]) -> int:
    return 6 if left["payload"]["protocol"] == "ip6" else 4


def _masked(left: Any, bits: frozenset[object], table: Table) -> frozenset[object]:  # noqa: ANN401 - any JSON value
    """Return the set bits, after the mask if the match has one."""
    match left:
        case {"&": [_, mask]}:
            return bits & frozenset(table.elements(mask) or ())
    return bits


def _addressed(
    subject: Literal["source", "destination"], version: int, texts: Iterable[str], *, is_negated: bool
) -> Condition:
    """Return the condition of addresses; it never holds for a packet of the other IP version, negated or not."""
    read = [of_addresses(text) for text in texts]
    if any(address_version != version for address_version, _ in read):
        raise ValueError("an address of the other IP version")
    return Condition(subject, spans_of(span for _, span in read), is_negated, version)


def _versioned(versions: set[int], *, is_negated: bool) -> Condition:
    admitted = {4, 6} - versions if is_negated else versions
    return ALWAYS if len(admitted) == 2 else of_version(admitted.pop()) if admitted else NEVER


def _bounded(op: str, number: int) -> Condition:
    spans = {"<": (0, number - 1), "<=": (0, number), ">": (number + 1, 65_535), ">=": (number, 65_535)}
    return Condition("port", (spans[op],))
