"""Receives what a server sends in a handshake, whose first bytes show whether it speaks TLS at all."""

from __future__ import annotations

import re
from typing import Final

from audit.probe.starttls import excerpt
from audit.probe.tcp import ProbeError, TcpConnection
from audit.probe.tls_probes.framing import RECORD_HEADER

_RECORD: Final = re.compile(rb"[\x14-\x17]\x03")
_PLAIN: Final = re.compile(rb"HTTP/|<!?[a-z]|\d{3}[ -]|\* [OPB]|\+OK|-ERR", re.IGNORECASE)
_BUSY: Final = re.compile(rb"421[ -]")  # of SMTP and FTP, also in plain text at a port of TLS


def receive(tcp: TcpConnection, *, is_upgrade: bool) -> bytes:
    """Return the next bytes, at first at least the header of a record; raises ProbeError if there are none.

    With `is_upgrade` the handshake follows plain text, and more plain text counts as injected.
    """
    is_first = not tcp.received
    octets = at_least(tcp, RECORD_HEADER if is_first else 1)
    if is_first and not _RECORD.match(octets):
        raise _not_tls(octets, is_upgrade=is_upgrade)
    return octets


def at_least(tcp: TcpConnection, count: int, octets: bytes = b"") -> bytes:
    """Return these bytes and the next ones, so many in all unless the server closes; raises ProbeError without any."""
    while len(octets) < count and (more := tcp.receive()):
        octets += more
    if not octets:
        raise tcp.closed()
    return octets


def _not_tls(octets: bytes, *, is_upgrade: bool) -> ProbeError:
    """Return the fault of a server whose first bytes are not a TLS record."""
    if is_upgrade:
        return ProbeError("starttls", "injected", f"unencrypted bytes come before the handshake: {excerpt(octets)}")
    if _BUSY.match(octets):
        return ProbeError("handshake", "busy", f"the server is busy: {excerpt(octets)}")
    if _PLAIN.match(octets):
        return ProbeError("handshake", "plaintext", f"the port responds in plain text: {excerpt(octets)}")
    return ProbeError("handshake", "garbage", f"the response is not TLS: {excerpt(octets)}")
