"""The lab's name server: a few names of `lab.test`, over UDP and TCP, some of them with trouble of their own.

It answers A and AAAA out of a table; it has no delegation, no cache and no other name.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.support.sockets import accepting

_TTL_S = 1
_LENGTH = 2  # octets of length before a message over TCP (RFC 1035 4.2.2)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of a name: its addresses, or the trouble with it."""

    addresses: tuple[str, ...] = ()  # none at all, and no trouble: the name is there and has no address
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    is_silent: bool = False  # never answered


NXDOMAIN: Final = Answer(rcode=dns.rcode.NXDOMAIN)
SERVFAIL: Final = Answer(rcode=dns.rcode.SERVFAIL)
SILENCE: Final = Answer(is_silent=True)
Zone = Mapping[str, Answer]


def respond(zone: Zone, wire: bytes) -> bytes | None:
    """Return the response to a query; None where it is none, or the name is one that is never answered."""
    try:
        query = dns.message.from_wire(wire)
        question = query.question[0]
    except (dns.exception.DNSException, IndexError):
        return None
    answer = zone.get(question.name.to_text(omit_final_dot=True).lower(), NXDOMAIN)
    if answer.is_silent:
        return None
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(answer.rcode)
    texts = [text for text in answer.addresses if _type_of(text) == question.rdtype]
    if texts:
        response.answer.append(dns.rrset.from_text(question.name, _TTL_S, "IN", question.rdtype, *texts))
    return response.to_wire()


def _type_of(address: str) -> dns.rdatatype.RdataType:
    return dns.rdatatype.A if ipaddress.ip_address(address).version == 4 else dns.rdatatype.AAAA


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        response = respond(self._zone, data)
        if response is not None and self._transport is not None:
            self._transport.sendto(response, addr)


@contextlib.asynccontextmanager
async def name_server(zone: Zone, address: str) -> AsyncIterator[int]:
    """Serve the zone on that address, UDP and TCP on one port of the kernel's choice; gives the port."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while True:
                size = int.from_bytes(await reader.readexactly(_LENGTH), "big")
                response = respond(zone, await reader.readexactly(size))
                if response is not None:
                    writer.write(len(response).to_bytes(_LENGTH, "big") + response)
                    await writer.drain()

    streams, datagrams = _bind_both(address)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(zone), sock=datagrams)
    async with accepting(streams, converse):
        with contextlib.closing(transport):
            yield streams.getsockname()[1]


def _bind_both(address: str) -> tuple[socket.socket, socket.socket]:
    """Return a TCP and a UDP socket on the same free port."""
    while True:
        streams, datagrams = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        streams.bind((address, 0))
        try:
            datagrams.bind(streams.getsockname())
        except OSError:  # the port is free for TCP only: take another
            streams.close()
            datagrams.close()
        else:
            return streams, datagrams
