"""The servers at which a DNS trace begins: the thirteen root servers, or those of a hints zone file.

It sends no query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.name
import dns.rdatatype
import dns.zone


class BadHints(Exception):
    """A hints file that cannot be used: the line and the reason."""


@dataclass(frozen=True, slots=True)
class RootServer:
    """A server of the root zone: its name with the final dot, and its addresses."""

    name: str
    addresses: tuple[str, ...]


# https://www.internic.net/domain/named.root and https://www.iana.org/domains/root/servers. The last to move was b, on
# 27 November 2023; one that responds is enough to begin.
_ADDRESSES: Final = (
    ("a", "198.41.0.4", "2001:503:ba3e::2:30"),
    ("b", "170.247.170.2", "2801:1b8:10::b"),
    ("c", "192.33.4.12", "2001:500:2::c"),
    ("d", "199.7.91.13", "2001:500:2d::d"),
    ("e", "192.203.230.10", "2001:500:a8::e"),
    ("f", "192.5.5.241", "2001:500:2f::f"),
    ("g", "192.112.36.4", "2001:500:12::d0d"),
    ("h", "198.97.190.53", "2001:500:1::53"),
    ("i", "192.36.148.17", "2001:7fe::53"),
    ("j", "192.58.128.30", "2001:503:c27::2:30"),
    ("k", "193.0.14.129", "2001:7fd::1"),
    ("l", "199.7.83.42", "2001:500:9f::42"),
    ("m", "202.12.27.33", "2001:dc3::35"),
)
ROOT_SERVERS: Final = tuple(RootServer(f"{name}.root-servers.net.", (four, six)) for name, four, six in _ADDRESSES)
"""The root servers of the Internet."""


def read_hints(text: str, source: str) -> tuple[RootServer, ...]:
    """Return the servers in a hints zone file, in its order; raises BadHints with a message that names `source`."""
    try:
        zone = dns.zone.from_text(text, dns.name.root, relativize=False, check_origin=False, filename=source)
    except (dns.exception.DNSException, ValueError) as error:
        raise BadHints(f"{source} is not a zone file: {' '.join(str(error).split())}") from error
    name_servers = zone.get_rdataset(dns.name.root, dns.rdatatype.NS)
    servers = tuple(_server(zone, record.target) for record in name_servers or ())
    if not any(server.addresses for server in servers):
        raise BadHints(f"{source} gives no address of a server of the root zone: it needs `. NS NAME` and `NAME A`")
    return servers


def _server(zone: dns.zone.Zone, name: dns.name.Name) -> RootServer:
    address_sets = (zone.get_rdataset(name, kind) for kind in (dns.rdatatype.A, dns.rdatatype.AAAA))
    return RootServer(name.to_text(), tuple(record.address for records in address_sets for record in records or ()))
