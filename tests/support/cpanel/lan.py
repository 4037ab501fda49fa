"""One wire that hosts of a test share, and the test that nothing else is on it."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.hosts.host import Host

_SUBNET: Final = "198.18.60"
_NETWORKS: Final = tuple(
    map(ipaddress.ip_network, ("198.18.0.0/15", "fd53::/16", "127.0.0.0/8", "fe80::/10", "ff00::/8", "::1/128"))
)
_HARMLESS: Final = ("bridge", "veth", "ipip", "sit", "gre", "gretap", "erspan", "ip6tnl", "ip6gre", "vti", "vti6")
"""Kinds of links: what the lab itself makes, and what a kernel puts into every new namespace, leading nowhere."""


class Exposed(Exception):
    """What a host of the test has that leads out of the test, in a sentence each."""


@dataclass(frozen=True, slots=True)
class Lan:
    """Hosts that share a wire, the first of them its switch."""

    hosts: tuple[Host, ...]

    def address(self, name: str) -> str:
        """Return the address of a host."""
        names = [host.name for host in self.hosts]
        return f"{_SUBNET}.{names.index(name) + 1}"


def join(*hosts: Host) -> Lan:
    """Put hosts on one wire of their own, the first of them as its switch, each with its place as its address."""
    switch, *others = hosts
    switch.shell(f"ip link add name lan type bridge; ip addr add {_SUBNET}.1/24 dev lan; ip link set lan up")
    for number, host in enumerate(others, 2):
        # Not in the switch's process namespace, so that the far end can be named by a process id of this machine.
        inside = ("nsenter", f"--target={switch.first_pid}", "--mount", "--net", "--root", "--wd")
        cable = ("ip", "link", "add", "name", f"port{number}", "type", "veth", "peer", "name", "lan")
        subprocess.run([*inside, *cable, "netns", str(host.first_pid)], check=True)
        switch.shell(f"ip link set port{number} master lan up")
        host.shell(f"ip addr add {_SUBNET}.{number}/24 dev lan; ip link set lan up")
    return Lan(hosts)


def require_secluded(hosts: Sequence[Host]) -> None:
    """Raise Exposed where a host has a link to anything but these, or a route out of the networks kept for tests."""
    reasons = [reason for host in hosts for reason in (*_foreign_links(host, hosts), *_foreign_routes(host))]
    if reasons:
        raise Exposed("the test does not start: " + "; ".join(reasons))


def give(lan: Lan, owner: str, addresses: Iterable[str]) -> None:
    """Assign public addresses to one host of the wire; raises Exposed if other hosts can be reached."""
    require_secluded(lan.hosts)
    for address in addresses:
        for host in lan.hosts:
            is_owner = host.name == owner
            host.do("ip", *(("addr", "add") if is_owner else ("route", "add")), f"{address}/32", "dev", "lan")


def _foreign_links(host: Host, hosts: Sequence[Host]) -> Iterator[str]:
    known = _namespace_ids(host, hosts)
    for link in _told(host, "-details", "link"):
        kind = link.get("linkinfo", {}).get("info_kind", "")
        name = f"{host.name} has the link {link['ifname']}"
        if link["link_type"] == "loopback":
            continue
        if kind not in _HARMLESS:
            yield f"{name}, which is not in the test"
        elif kind == "veth" and link.get("link_netnsid") not in known:
            yield f"{name}, whose other end is not in the test"


def _foreign_routes(host: Host) -> Iterator[str]:
    for family in ("-4", "-6"):
        for route in _told(host, family, "route", "show", "table", "all"):
            if not _is_near(route["dst"]):
                yield f"{host.name} has a route to {route['dst']}"


def _is_near(destination: str) -> bool:
    if destination == "default":
        return False
    network = ipaddress.ip_network(destination)
    return any(network.version == near.version and network.subnet_of(near) for near in _NETWORKS)  # type: ignore[arg-type]


def _told(host: Host, *words: str) -> list[Mapping[str, Any]]:
    reported: list[Mapping[str, Any]] = json.loads(host.do("ip", "-json", *words) or "[]")
    return reported


def _namespace_ids(host: Host, hosts: Sequence[Host]) -> set[int]:
    """Return the numbers by which the network of a host refers to the networks of these hosts."""
    pids = (str(one.first_pid) for one in hosts)
    argv = [
        "nsenter",
        f"--target={host.first_pid}",
        "--net",
        sys.executable,
        "-m",
        "tests.support.cpanel.neighbours",
        *pids,
    ]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
    return set(json.loads(done.stdout))
