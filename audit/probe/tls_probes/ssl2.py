"""The hello of SSLv2 and what its server sends first (draft-hickman-netscape-ssl 1.1, 2.5, 2.6)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from audit.probe.tcp import ProbeError, TcpConnection
from audit.probe.tls_probes.framing import MalformedFlight, Reader
from audit.probe.tls_probes.reception import at_least

_TWO_BYTES: Final = 0x8000  # a record whose header has two bytes, and no padding
_CLIENT_HELLO, _SERVER_HELLO = 1, 4
_HEADER_BYTES: Final = 2
_SUITE_BYTES: Final = 3


def ssl2_hello(suites: Sequence[int]) -> bytes:
    """Return a CLIENT-HELLO, whose suites have three bytes."""
    ciphers = b"".join(suite.to_bytes(_SUITE_BYTES) for suite in suites)
    challenge = os.urandom(16)
    lengths = b"".join(len(part).to_bytes(2) for part in (ciphers, b"", challenge))
    body = bytes((_CLIENT_HELLO, 0, 2)) + lengths + ciphers + challenge
    return (_TWO_BYTES | len(body)).to_bytes(2) + body


def ssl2_suites(tcp: TcpConnection, offered: Sequence[int]) -> tuple[int, ...] | None:
    """Return the suites that a server of SSLv2 has in common with the offer; None if it speaks no SSLv2.

    Raises ProbeError as every exchange does.
    """
    tcp.awaiting = "a SERVER-HELLO of SSLv2"
    tcp.send(ssl2_hello(offered))
    octets = at_least(tcp, _HEADER_BYTES)
    header = int.from_bytes(octets[:_HEADER_BYTES])
    if header & _TWO_BYTES:
        octets = at_least(tcp, _HEADER_BYTES + (header & (_TWO_BYTES - 1)), octets)
    return _suites_of(octets)


def _suites_of(octets: bytes) -> tuple[int, ...] | None:
    reader = Reader(octets)
    try:
        if not reader.number(2) & _TWO_BYTES or reader.number(1) != _SERVER_HELLO:
            return None
        reader.take(4)  # whether the session is known, the kind of certificate, the version
        certificate, ciphers, _ = reader.number(2), reader.number(2), reader.number(2)
        reader.take(certificate)
        listed = reader.take(ciphers)
    except MalformedFlight as error:
        raise ProbeError("handshake", "broken", f"the SERVER-HELLO of SSLv2 cannot be read: {error}") from error
    return tuple(int.from_bytes(listed[start : start + _SUITE_BYTES]) for start in range(0, len(listed), _SUITE_BYTES))
