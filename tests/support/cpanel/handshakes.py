"""Prints what serial numbers are served on ports of the host it runs on: `… NAME PORT[=SCHEME]…`, as JSON by port.

All ports are asked at once by Python's own TLS, and whatever is spoken before it is a few lines of a table.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from cryptography import x509

_DEADLINE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Opening:
    """What is sent before TLS, line by line; the end of each answer, which the greeting's is the first of."""

    lines: tuple[bytes, ...]
    ends: tuple[bytes, ...]


OPENINGS: Final = {
    "smtp": Opening((b"EHLO client", b"STARTTLS"), (b"220 ", b"250 ", b"220 ")),
    "imap": Opening((b"a STARTTLS",), (b"* OK", b"a OK")),
    "pop3": Opening((b"STLS",), (b"+OK", b"+OK")),
    "ftp": Opening((b"AUTH TLS",), (b"220 ", b"234 ")),
}


def serial(name: str, place: str) -> int | None:
    """Return the serial number of what a port serves to a client that asks for a name; None where it serves nothing."""
    port, _, scheme = place.partition("=")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", int(port)), _DEADLINE_S) as plain:
            if scheme:
                _open(plain, OPENINGS[scheme])
            with context.wrap_socket(plain, server_hostname=name) as tls:
                return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"").serial_number
    except (OSError, EOFError):
        return None


def _open(plain: socket.socket, opening: Opening) -> None:
    """Come to where TLS begins: what answers is read to the end, and not a byte further."""
    for line, end in zip((b"", *opening.lines), opening.ends, strict=True):
        if line:
            plain.sendall(line + b"\r\n")
        while not _line(plain).startswith(end):
            pass


def _line(plain: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        octet = plain.recv(1)
        if not octet:
            raise EOFError
        line += octet
    return line


def main(name: str, *places: str) -> None:
    """Ask all ports."""
    with ThreadPoolExecutor(len(places)) as pool:
        serials = pool.map(lambda place: serial(name, place), places)
        reported = dict(zip((place.partition("=")[0] for place in places), serials, strict=True))
    sys.stdout.write(json.dumps(reported))


if __name__ == "__main__":
    main(*sys.argv[1:])
