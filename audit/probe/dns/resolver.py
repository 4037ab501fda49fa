"""Resolves a name to all its A and AAAA records, by the system's or a configured resolver, within a deadline.

It follows no delegation and validates no signature.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver

from audit.observation import DnsStatus, DnsView
from audit.probe.deadline import Deadline
from audit.probe.target import Limits

_PORT: Final = 53
_TYPE_SHARE: Final = 0.45  # of the deadline for A and for AAAA: if one times out, the other's response is kept
_SYSTEM: Final[dict[int, DnsStatus]] = {
    socket.EAI_NONAME: "nxdomain",
    socket.EAI_NODATA: "no-address",
    socket.EAI_AGAIN: "servfail",  # glibc returns the same for SERVFAIL and for servers that do not respond
    socket.EAI_FAIL: "servfail",
}


def resolve(name: str, limits: Limits, stop: threading.Event) -> DnsView:
    """Return the addresses that the resolver returns for a name; raises Stopped if `stop` is set meanwhile."""
    views: queue.SimpleQueue[DnsView | Exception] = queue.SimpleQueue()
    # getaddrinfo has no deadline and cannot be interrupted: if it hangs, its thread stays behind.
    threading.Thread(target=_resolve_into, args=(views, name, limits), daemon=True).start()
    for wait_s in Deadline.after(limits.resolve_s).waits(stop):
        with suppress(queue.Empty):
            view = views.get(timeout=wait_s)
            if isinstance(view, Exception):
                raise view
            return view
    return DnsView("timeout", detail=f"no response about {name} within {limits.resolve_s:g} s")


def _resolve_into(views: queue.SimpleQueue[DnsView | Exception], name: str, limits: Limits) -> None:
    try:
        views.put(_resolve_by_servers(name, limits) if limits.resolver else _resolve_by_system(name))
    except Exception as error:  # noqa: BLE001 - our own bug, raised in the thread that waits
        views.put(error)


def _resolve_by_system(name: str) -> DnsView:
    try:
        infos = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        status = _SYSTEM.get(error.errno or 0, "servfail")
        return DnsView(status, detail=f"{name}: {(error.strerror or 'no reason given').lower()}")
    except UnicodeError:  # the idna codec of getaddrinfo refuses names that DNS allows
        return DnsView("nxdomain", detail=f"{name} cannot be looked up")
    return DnsView("ok", _in_order(str(address[0]) for *_, address in infos))


def _resolve_by_servers(name: str, limits: Limits) -> DnsView:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [nameserver(text) for text in limits.resolver]
    resolver.lifetime = _TYPE_SHARE * limits.resolve_s
    resolver.timeout = resolver.lifetime / 2  # so that a second server gets its turn
    views = [_resolve_type(resolver, name, kind) for kind in (dns.rdatatype.A, dns.rdatatype.AAAA)]
    addresses = _in_order(address for view in views for address in view.addresses)
    faults = [view for view in views if view.status not in ("ok", "no-address")]
    if addresses:
        return DnsView("ok", addresses, "; ".join(view.detail for view in faults))
    return (faults or views)[0]


def _resolve_type(resolver: dns.resolver.Resolver, name: str, kind: dns.rdatatype.RdataType) -> DnsView:
    try:
        response = resolver.resolve(name, kind, search=False)
    except dns.resolver.NXDOMAIN:
        return DnsView("nxdomain", detail=f"{name} does not exist")
    except dns.resolver.NoAnswer:
        return DnsView("no-address", detail=f"{name} has no address")
    except dns.resolver.LifetimeTimeout:
        return DnsView("timeout", detail=f"no response about {name} {kind.name} in time")
    except dns.exception.DNSException as error:
        return DnsView("servfail", detail=f"{name} {kind.name}: {' '.join(str(error).split())}")
    return DnsView("ok", tuple(record.to_text() for record in response))


def _in_order(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return each address once, IPv4 first: resolvers change the order, and runs are compared."""
    unique = {ipaddress.ip_address(address): address for address in addresses}
    return tuple(unique[address] for address in sorted(unique, key=lambda address: (address.version, address)))


def nameserver(text: str) -> dns.nameserver.Nameserver:
    """Return the server at `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = text, str(_PORT)
    return dns.nameserver.Do53Nameserver(host.strip("[]"), int(port))
