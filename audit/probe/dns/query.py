"""Sends one query to one authoritative server, and classifies its response: a referral, records, or a fault."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from audit.probe.deadline import Deadline

ResponseKind = Literal[
    "referral",  # to the servers of a zone further down
    "addresses",  # the requested records
    "alias",  # a CNAME in their place
    "no-data",  # the name exists without records of this type
    "nxdomain",  # the name does not exist
    "lame",  # the server refuses, or does not serve the zone
    "servfail",  # SERVFAIL, FORMERR, NOTIMP and every other error code
    "broken",  # not a valid response, or longer than the limit
    "silent",  # nothing within the deadline
    "unreachable",  # refused, or no route
]
_PAYLOAD: Final = 1232  # octets over UDP that no path fragments (https://www.dnsflagday.net/2020/)
_DATAGRAM: Final = 65_535
_LENGTH: Final = 2  # octets of length before a message over TCP (RFC 1035 4.2.2)
_WITHOUT_EDNS: Final = ("FORMERR", "NOTIMP", "BADVERS")  # RFC 6891 6.1.3 and 7
_OURS: Final = (
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
)  # faults of this machine


@dataclass(frozen=True, slots=True)
class DnsQuery:
    """A query to a server of `zone`."""

    zone: dns.name.Name
    name: dns.name.Name
    rdtype: dns.rdatatype.RdataType


@dataclass(frozen=True, slots=True)
class Nameserver:
    """A server's address and port, and the deadline and byte limit of its response."""

    address: str
    port: int
    deadline: Deadline
    max_bytes: int


@dataclass(frozen=True, slots=True)
class DnsResponse:
    """A response. `records` are the relevant ones: NS of a referral, a CNAME, or addresses."""

    kind: ResponseKind
    detail: str = ""
    rcode: str | None = None
    records: dns.rrset.RRset | None = None
    glue: tuple[dns.rrset.RRset, ...] = ()
    octets: int = 0
    over_tcp: bool = False


@dataclass(frozen=True, slots=True)
class _Received:
    response: dns.message.Message
    octets: int


class _Broken(Exception):
    """The bytes received are not a valid response to the query."""


def send_query(query: DnsQuery, nameserver: Nameserver) -> DnsResponse:
    """Send a query, over TCP if the response does not fit into a datagram; return within the deadline."""
    response = _exchange(query, nameserver, dns.message.make_query(query.name, query.rdtype, payload=_PAYLOAD))
    if response.rcode in _WITHOUT_EDNS:
        return _exchange(query, nameserver, dns.message.make_query(query.name, query.rdtype, use_edns=False))
    return response


def _exchange(query: DnsQuery, nameserver: Nameserver, message: dns.message.Message) -> DnsResponse:
    message.flags &= ~dns.flags.RD  # only the server's own data
    over_tcp = False
    try:
        received = _by_datagram(message, nameserver)
        if over_tcp := received is None:
            received = _by_stream(message, nameserver)
    except _Broken as error:
        return DnsResponse("broken", str(error), over_tcp=over_tcp)
    except TimeoutError:
        return DnsResponse("silent", "no response in time", over_tcp=over_tcp)
    except OSError as error:
        if error.errno in _OURS:
            raise
        return DnsResponse("unreachable", (error.strerror or str(error)).lower(), over_tcp=over_tcp)
    return replace(_sort(query, received.response), octets=received.octets, over_tcp=over_tcp)


def _by_datagram(message: dns.message.Message, nameserver: Nameserver) -> _Received | None:
    """Return the first valid response, or None if it is truncated; other datagrams are ignored."""
    broken = None
    with _connected(socket.SOCK_DGRAM, nameserver) as connection:
        connection.send(message.to_wire())
        while left_s := nameserver.deadline.left_s:
            connection.settimeout(left_s)
            try:
                wire = connection.recv(_DATAGRAM)
                return None if _is_cut_off(message, wire) else _read(message, wire, nameserver)
            except TimeoutError:
                break
            except _Broken as error:
                broken = error
    raise broken or TimeoutError


def _by_stream(message: dns.message.Message, nameserver: Nameserver) -> _Received:
    with _connected(socket.SOCK_STREAM, nameserver) as connection:
        wire = message.to_wire()
        connection.settimeout(_left_s(nameserver.deadline))
        connection.sendall(len(wire).to_bytes(_LENGTH, "big") + wire)
        octets = int.from_bytes(_receive(connection, _LENGTH, nameserver.deadline), "big")
        if octets > nameserver.max_bytes:
            raise _Broken(f"a response of {octets} octets, more than {nameserver.max_bytes}")
        return _read(message, _receive(connection, octets, nameserver.deadline), nameserver)


def _connected(kind: socket.SocketKind, nameserver: Nameserver) -> socket.socket:
    """Return a socket that receives from that address and port only, and gets an error if the port is closed."""
    connection = socket.socket(socket.AF_INET6 if ":" in nameserver.address else socket.AF_INET, kind)
    try:
        connection.settimeout(_left_s(nameserver.deadline))
        connection.connect((nameserver.address, nameserver.port))
    except BaseException:
        connection.close()
        raise
    return connection


def _receive(connection: socket.socket, octets: int, deadline: Deadline) -> bytes:
    received = bytearray()
    while len(received) < octets:
        connection.settimeout(_left_s(deadline))
        chunk = connection.recv(octets - len(received))
        if not chunk:
            raise _Broken(f"the connection was closed after {len(received)} of {octets} octets")
        received += chunk
    return bytes(received)


def _left_s(deadline: Deadline) -> float:
    if left_s := deadline.left_s:
        return left_s
    raise TimeoutError


def _header_flags(wire: bytes) -> int:
    return int.from_bytes(wire[2:4], "big")  # RFC 1035 4.1.1


def _is_cut_off(message: dns.message.Message, wire: bytes) -> bool:
    """Return whether a response is truncated, by its header alone: the rest may be unreadable."""
    is_response = wire[:2] == message.id.to_bytes(2, "big") and bool(_header_flags(wire) & dns.flags.QR)
    return is_response and bool(_header_flags(wire) & dns.flags.TC)


def _read(message: dns.message.Message, wire: bytes, nameserver: Nameserver) -> _Received:
    if len(wire) > nameserver.max_bytes:
        raise _Broken(f"a response of {len(wire)} octets, more than {nameserver.max_bytes}")
    try:
        response = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError) as error:
        raise _Broken("the response is not a DNS message") from error
    if not message.is_response(response):
        raise _Broken("the response is for another query")
    return _Received(response, len(wire))


def _sort(query: DnsQuery, response: dns.message.Message) -> DnsResponse:
    """Return the response with its kind, and the reason if it is a fault."""
    rcode = dns.rcode.to_text(response.rcode())
    if fault := _fault(response):
        return DnsResponse(*fault, rcode)
    if records := _at(response.answer, query.name, query.rdtype):
        return DnsResponse("addresses", "", rcode, records)
    if records := _at(response.answer, query.name, dns.rdatatype.CNAME):
        return DnsResponse("alias", "", rcode, records)
    return replace(_sort_without_records(query, response), rcode=rcode)


def _fault(response: dns.message.Message) -> tuple[ResponseKind, str] | None:
    rcode = response.rcode()
    if rcode == dns.rcode.REFUSED:
        return "lame", "it refuses the query"
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return "servfail", f"it returns {dns.rcode.to_text(rcode)}"
    if response.flags & dns.flags.RA and not response.flags & dns.flags.AA:
        return "lame", "it is a resolver and not authoritative"
    return None


def _sort_without_records(query: DnsQuery, response: dns.message.Message) -> DnsResponse:
    has_soa = _has_own_soa(query, response)
    if response.rcode() == dns.rcode.NOERROR and not has_soa and (referral := _referral(query, response)):
        return DnsResponse("referral", records=referral, glue=tuple(_glue(query.zone, referral, response)))
    if not has_soa and not response.flags & dns.flags.AA:
        return DnsResponse("lame", "it is not authoritative and refers to no zone below")
    return DnsResponse("nxdomain" if response.rcode() == dns.rcode.NXDOMAIN else "no-data")


def _at(section: list[dns.rrset.RRset], name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
    matching = (records for records in section if records.match(name, dns.rdataclass.IN, rdtype, dns.rdatatype.NONE))
    return next(matching, None)


def _referral(query: DnsQuery, response: dns.message.Message) -> dns.rrset.RRset | None:
    """Return the NS records of a zone between the server's own zone and the name; other referrals are ignored."""
    for records in response.authority:
        if (
            records.rdtype == dns.rdatatype.NS
            and records.rdclass == dns.rdataclass.IN
            and records.name != query.zone
            and records.name.is_subdomain(query.zone)
            and query.name.is_subdomain(records.name)
        ):
            return records
    return None


def _glue(zone: dns.name.Name, referral: dns.rrset.RRset, response: dns.message.Message) -> Iterator[dns.rrset.RRset]:
    """Yield the addresses of the referral's servers, only for names in this server's zone (RFC 5452 6)."""
    targets = {record.target for record in referral}
    for records in response.additional:
        is_address = records.rdclass == dns.rdataclass.IN and records.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)
        if is_address and records.name in targets and records.name.is_subdomain(zone):
            yield records


def _has_own_soa(query: DnsQuery, response: dns.message.Message) -> bool:
    """Return whether a negative response carries the SOA of a zone that the server serves (RFC 2308 2.1, 2.2)."""
    return any(
        records.rdtype == dns.rdatatype.SOA
        and records.name.is_subdomain(query.zone)
        and query.name.is_subdomain(records.name)
        for records in response.authority
    )
