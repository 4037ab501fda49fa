"""Reads the facts that a host reports: name, addresses, clock, listening sockets and the processes that hold them.

The formats are those of `/proc` and of `ip`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from audit.endpoint import BadEndpoint, to_address, to_name
from audit.observation.website import ANY_IPV4, ANY_IPV6
from audit.services.model import Section
from audit.text import one_line

_NOT_OUTSIDE: Final = re.compile(r"^(docker|br-|veth|virbr|cni|flannel|cali|podman|lxcbr|lxdbr)")  # containers' bridges
_PLACE: Final = re.compile(r"([0-9A-Fa-f]{8}|[0-9A-Fa-f]{32}):([0-9A-Fa-f]{4})")  # of /proc/net/tcp

_LISTENER: Final = re.compile(r"(?P<address>\*|[0-9.]+|\[?[0-9A-Fa-f:]+\]?)[.:](?P<port>[0-9]{1,5})")
"""A socket of netstat(1): BSD and Solaris write `*.443`, others `0.0.0.0:443`."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The facts of a host; `sockets` are the listening ones: address, port, and the processes that hold the socket."""

    fqdn: str | None
    user: str
    addresses: tuple[str, ...]
    clock_offset_s: float | None
    booted: int | None
    ticks: int
    is_cpanel: bool
    shares_network: bool  # its loopback interface is ours
    sockets: tuple[tuple[str, int, frozenset[int]], ...]
    acme_sh: frozenset[str]
    is_container: bool = False  # made by docker or podman
    not_inspected: str = ""  # why processes and files cannot be read: the host is not a Linux with /proc

    def since(self, start_ticks: str) -> datetime | None:
        """Return the start of a process, which proc(5) gives in clock ticks since boot."""
        start = _number(start_ticks)
        if self.booted is None or start is None:
            return None
        return datetime.fromtimestamp(self.booted + start / self.ticks, tz=UTC)

    def listening(self, port: int) -> tuple[str, ...]:
        """Return the addresses that something listens on at a port."""
        return tuple(address for address, number, _ in self.sockets if number == port)

    def ports_of(self, pid: int) -> tuple[tuple[str, int], ...]:
        """Return each address and port on which a process listens, as far as the login may see them."""
        return tuple((address, port) for address, port, owners in self.sockets if pid in owners)


def read_facts(sections: Mapping[str, Section], sent: datetime, received: datetime) -> HostFacts:
    """Return the facts in the output of a host; `sent` and `received` are our times of the command and its output."""

    def text(name: str) -> str:
        section = sections.get(name)
        return section.text.strip() if section and section.rc == 0 else ""

    not_inspected = _not_inspected(text("kernel"), sections.get("sockets"))
    sockets = _sockets(text("sockets"), text("owners"), little=text("byte_order") != "256")
    return HostFacts(
        fqdn=_name(text("fqdn")),
        user=text("uid") or "?",
        addresses=tuple(dict.fromkeys(_addresses(text("addresses")))),
        clock_offset_s=_offset(text("clock"), text("clock.end"), sent, received),
        booted=_number(text("booted")),
        ticks=_number(text("ticks")) or 100,
        is_cpanel=bool(text("cpanel")),
        shares_network=(text("boot_id"), text("network")) == _own_network(),
        sockets=tuple(dict.fromkeys(_listeners(text("listeners")))) if not_inspected else tuple(sockets),
        acme_sh=frozenset(re.findall(r"'?(/[^'\s]+)'?", text("acme_sh"))),
        is_container=bool(text("container")),
        not_inspected=not_inspected,
    )


def _not_inspected(kernel: str, sockets: Section | None) -> str:
    """Return why a host cannot be inspected; "" if it can."""
    if kernel not in ("", "Linux"):
        return f"the host runs {one_line(kernel)[:40]}, and only Linux can be inspected"
    if sockets and sockets.rc:
        return f"the host's /proc cannot be read ({one_line(sockets.text)[:120]})"
    return ""


def _number(text: str) -> int | None:
    """Return a number of seconds or ticks; None if the text is not a plausible one."""
    return int(text) if re.fullmatch(r"[0-9]{1,11}", text) else None


def _name(text: str) -> str | None:
    try:
        return to_name(text.splitlines()[0].strip()) if text else None
    except BadEndpoint:
        return text.splitlines()[0][:253]  # kept as it is: the check host.name-invalid reports it


def _addresses(text: str) -> Iterator[str]:
    """Yield a host's own addresses from `ip -o addr`, `hostname -I` or `ifconfig`, loopback and link-local left out."""
    for line in text.splitlines():
        match = re.match(r"\d+:\s+(?P<interface>\S+)\s+inet6?\s+(?P<address>[^/\s]+)", line)
        if match and _NOT_OUTSIDE.match(match["interface"]):
            continue
        words = [match["address"]] if match else re.findall(r"[0-9a-fA-F.:]+", line)
        for word in words:
            address = to_address(word)
            if address and not _is_local(address):
                yield address


def _is_local(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast


def _offset(start: str, end: str, sent: datetime, received: datetime) -> float | None:
    """Return the host's clock minus ours in seconds: it is between two bounds, and their middle is taken."""
    matches = [re.match(r"([0-9]{1,11})(\.[0-9]{1,9})?(?![0-9])", text) for text in (start, end)]
    # a clock read to the second alone (busybox) is half a second further on average
    times = [float(match[1]) + float(match[2] or 0.5) for match in matches if match]
    if len(times) != 2:
        return None
    return ((times[0] - sent.timestamp()) + (times[1] - received.timestamp())) / 2


def _own_network() -> tuple[str, str]:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip(), str(
            Path("/proc/self/ns/net").readlink()
        )
    except OSError:  # not Linux: no host shares our network
        return "", "none"


def _sockets(table: str, owners: str, *, little: bool) -> Iterator[tuple[str, int, frozenset[int]]]:
    held = _holders(owners)
    for line in table.splitlines():
        fields = line.split()
        place = _PLACE.fullmatch(fields[1]) if fields[9:] else None
        if place:
            yield _decoded(place[1], little=little), int(place[2], 16), frozenset(held.get(fields[9], ()))


def _listeners(table: str) -> Iterator[tuple[str, int, frozenset[int]]]:
    """Yield the listening sockets that netstat(1) of another system than Linux prints."""
    for line in table.splitlines():
        words = line.split()
        place = next((match for word in words if (match := _LISTENER.fullmatch(word))), None)
        if place is None:
            continue
        any_address = ANY_IPV6 if re.fullmatch("tcp4?6", words[0]) else ANY_IPV4
        address = any_address if place["address"] == "*" else to_address(place["address"].strip("[]"))
        if address and 0 < int(place["port"]) < 65_536:
            yield address, int(place["port"]), frozenset()


def _holders(owners: str) -> dict[str, set[int]]:
    """Return the processes of each socket's inode, from the list of `pid N` lines with the inodes of each below."""
    held: dict[str, set[int]] = {}
    pid: int | None = None
    for line in owners.splitlines():
        word, _, number = line.partition(" ")
        if word == "pid":
            pid = _number(number)
        elif pid is not None:
            held.setdefault(word, set()).add(pid)
    return held


def _decoded(text: str, *, little: bool) -> str:
    """Return an address of /proc/net/tcp: words of 32 bits, each in the host's byte order."""
    raw = bytes.fromhex(text)
    words = [raw[index : index + 4] for index in range(0, len(raw), 4)]
    address = ipaddress.ip_address(b"".join(word[::-1] if little else word for word in words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).compressed


def covers(bound: str, address: str) -> bool:
    """Return whether a socket bound to one address accepts connections at another; `::` includes IPv4."""
    is_ipv6 = ":" in address
    return bound in (address, ANY_IPV6) or (bound == ANY_IPV4 and not is_ipv6)
