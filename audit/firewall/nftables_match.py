"""Reads a match of nftables as a condition on a new TCP connection from outside.

Conditions that hold for all connections of this kind are decided here: the state is new, the interface is not
loopback, rates are not exceeded. Unknown matches may hold or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from audit.firewall.nftables_text import written
from audit.firewall.ranges import ALWAYS, MAYBE, NEVER, folded, of_addresses, of_ports, spans_of, whole
from audit.observation.firewall import Condition

_FIELDS: Final[Mapping[tuple[str, str], str]] = {
    ("ip", "saddr"): "source", ("ip6", "saddr"): "source", ("ip", "daddr"): "destination",
    ("ip6", "daddr"): "destination", ("tcp", "dport"): "port", ("th", "dport"): "port", ("ip", "protocol"): "protocol",
    ("ip6", "nexthdr"): "protocol", ("tcp", "flags"): "flags",
}  # fmt: skip
_KEYS: Final = {
    "l4proto": "protocol", "nfproto": "version", "protocol": "version", "iif": "interface", "iifname": "interface",
}  # fmt: skip
_OTHERS: Final = ("udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "arp", "ah", "esp")  # no TCP
_VERSIONS: Final = {"ipv4": 4, "ipv6": 6, "ip": 4, "ip6": 6, 2: 4, 10: 6}
_SO: Final[Mapping[str, frozenset[object]]] = {
    "protocol": frozenset({"tcp", 6, "6"}),
    "state": frozenset({"new"}),
    "flags": frozenset({"syn"}),
    "status": frozenset(),  # of connections that are under way, or were turned aside on the way
    "way back": frozenset({True, "exists"}),  # there is a route back to a client outside
}
_BOUNDS: Final = ("<", "<=", ">", ">=")
Sets = Mapping[tuple[str, str, str], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Table:
    """Where a rule stands: its table, the named sets there are, and the interfaces that connections come in by."""

    family: str
    name: str
    sets: Sets
    interfaces: Sequence[str]

    def elements(self, right: Any) -> Sequence[Any] | None:  # noqa: ANN401 - any JSON value
        """Return what stands on the right of a match, element by element; None where it is not known."""
        match right:
            case str() if right.startswith("@"):
                found = self.sets.get((self.family, self.name, right[1:]))
                return None if found is None else [_bare(one) for one in found]
            case {"set": list(inner)}:
                return [_bare(one) for one in inner]
            case {"set": inner}:
                return self.elements(inner)
            case {"|": list(inner)}:
                return [one for each in inner for one in self.elements(each) or ()]
            case list():
                return right
        return [right]

    def match(self, left: Any, op: str, right: Any) -> Condition:  # noqa: ANN401 - any JSON value
        """Return the condition of a match."""
        values, asked = self.elements(right), _asked(left)
        if asked == "never":
            return NEVER
        if op in _BOUNDS and asked == "port" and isinstance(right, int):
            return _bounded(op, right)
        if values is None or op not in ("==", "!=", "in"):
            return MAYBE
        return self.one_of(left, values, is_negated=op == "!=")

    def one_of(self, left: Any, values: Sequence[Any], *, is_negated: bool = False) -> Condition:  # noqa: ANN401 - any JSON value
        """Return the condition that what is looked at is one of these."""
        asked = _asked(left)
        try:
            match asked:
                case "source" | "destination":
                    return _addressed(asked, _version_of(left), map(written, values), is_negated=is_negated)
                case "port":
                    return Condition("port", spans_of(of_ports(written(one)) for one in values), is_negated)
                case "version":
                    return _versioned({_VERSIONS[one] for one in values}, is_negated=is_negated)
                case "interface":
                    return self._by_interface(list(map(str, values)), is_negated=is_negated)
                case _ if asked in _SO:
                    seen = _masked(left, _SO[asked], self)
                    return folded(bool(seen & set(values)) or (not seen and values == [0]), is_negated=is_negated)
        except (ValueError, KeyError, TypeError):
            return MAYBE  # in words that are not known
        return MAYBE

    def _by_interface(self, values: Sequence[str], *, is_negated: bool) -> Condition:
        if all(one == "lo" for one in values):
            return folded(False, is_negated=is_negated)
        if len(self.interfaces) != 1 or any("*" in one for one in values):
            return MAYBE
        return folded(self.interfaces[0] in values, is_negated=is_negated)


def _bare(one: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return an element of a set without its age, comment and counter."""
    return _bare(one["elem"]["val"]) if isinstance(one, Mapping) and "elem" in one else one


def _asked(left: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return in our words what a match looks at."""
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
        case {"&": [inner, _]} if _asked(inner) == "flags":
            return "flags"
    return "unknown"


def _version_of(left: Mapping[str, Any]) -> int:
    return 6 if left["payload"]["protocol"] == "ip6" else 4


def _masked(left: Any, seen: frozenset[object], table: Table) -> frozenset[object]:  # noqa: ANN401 - any JSON value
    """Return what is left of the bits that are set where only some are looked at."""
    match left:
        case {"&": [_, mask]}:
            return seen & frozenset(table.elements(mask) or ())
    return seen


def _addressed(
    asked: Literal["source", "destination"], version: int, texts: Iterable[str], *, is_negated: bool
) -> Condition:
    """Return the condition of addresses; a packet of the other IP version has none there, negated or not."""
    read = [of_addresses(text) for text in texts]
    if any(one != version for one, _ in read):
        raise ValueError("an address of the other IP version")
    return Condition(asked, spans_of(span for _, span in read), is_negated, version)


def _versioned(versions: set[int], *, is_negated: bool) -> Condition:
    found = {4, 6} - versions if is_negated else versions
    return ALWAYS if len(found) == 2 else whole(found.pop()) if found else NEVER


def _bounded(op: str, number: int) -> Condition:
    spans = {"<": (0, number - 1), "<=": (0, number), ">": (number + 1, 65_535), ">=": (number, 65_535)}
    return Condition("port", (spans[op],))
