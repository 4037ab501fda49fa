"""What the sockets of a host serve, observed from inside its network by a client of its own.

    nsenter --net=/proc/PID/ns/net python -m bench.field.oracle

It reads a question from standard input and writes what it observed; it uses nothing of the audit.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ipaddress
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.checkout import CHECKOUT

_WAIT_S: Final = 3.0
_GREETING_S: Final = 1.0
_PROXY: Final = b"PROXY TCP4 192.0.2.9 192.0.2.10 40000 443\r\n"
_LISTENS: Final = "0A"
_NSENTER: Final = "/usr/bin/nsenter"


@dataclass(frozen=True, slots=True)
class Question:
    """Addresses of the host, names to send by SNI, and requests at port 80: each a name and a path."""

    addresses: tuple[str, ...]
    names: tuple[str, ...]
    requests: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TlsSocket:
    """A socket that speaks TLS: its scheme, whether it expects the PROXY protocol, and the leaf by name ("": none)."""

    address: str
    port: int
    scheme: str
    needs_proxy: bool
    leaves: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """The TLS sockets, all TCP ports, and by address, name and path the body of each response with status 200."""

    sockets: tuple[TlsSocket, ...]
    ports: frozenset[int]
    bodies: dict[str, str]


def observe(pid: int, question: Question) -> Observed:
    """Return what the host of a process serves."""
    done = subprocess.run(
        [_NSENTER, f"--net=/proc/{pid}/ns/net", sys.executable, "-m", "bench.field.oracle"],
        input=json.dumps(asdict(question)),
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        check=True,
    )
    output = json.loads(done.stdout)
    return Observed(tuple(TlsSocket(**row) for row in output["sockets"]), frozenset(output["ports"]), output["bodies"])


def _listening(addresses: Sequence[str]) -> list[tuple[str, int]]:
    """Return the concrete places that TCP listens on, from the kernel's tables."""
    places: dict[tuple[str, int], None] = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state != _LISTENS:
                continue
            octets, _, port = local.rpartition(":")
            address = ipaddress.ip_address(_in_network_order(octets))
            for concrete in _concrete(address, addresses):
                places[concrete, int(port, 16)] = None
    return list(places)


def _in_network_order(octets: str) -> bytes:
    words = bytes.fromhex(octets)
    return b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))


def _concrete(address: ipaddress.IPv4Address | ipaddress.IPv6Address, own: Sequence[str]) -> list[str]:
    if not address.is_unspecified:
        return [str(address)]
    return [other for other in own if (":" in other) == (address.version == 6)]


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLError):
        context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return context


_TLS: Final = _context()


def _connected(place: tuple[str, int], prefix: bytes) -> socket.socket:
    connection = socket.create_connection(place, _WAIT_S)
    connection.sendall(prefix)
    return connection


def _leaf(place: tuple[str, int], scheme: str, prefix: bytes, name: str) -> str:
    """Return the digest of the leaf that is served to a name; empty if the handshake fails."""
    try:
        with _connected(place, prefix) as plain:
            if scheme in _STARTTLS and not _upgraded(plain, scheme):
                return ""
            with _TLS.wrap_socket(plain, server_hostname=name or None) as tls:
                return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()
    except OSError:
        return ""


_STARTTLS: Final = {
    "smtp": (b"220", b"EHLO oracle.test\r\n", b"STARTTLS\r\n", b"220"),
    "lmtp": (b"220", b"LHLO oracle.test\r\n", b"STARTTLS\r\n", b"220"),
    "imap": (b"* OK", b"", b"a STARTTLS\r\n", b"a OK"),
    "pop3": (b"+OK", b"", b"STLS\r\n", b"+OK"),
    "ftp": (b"220", b"", b"AUTH TLS\r\n", b"234"),
    "sieve": (b'"', b"", b"STARTTLS\r\n", b"OK"),
}


def _upgraded(plain: socket.socket, scheme: str) -> bool:
    greeting, hello, command, accepted = _STARTTLS[scheme]
    plain.settimeout(_GREETING_S)
    if not _reply(plain).startswith(greeting):
        return False
    if hello:
        plain.sendall(hello)
        if not _reply(plain).startswith(b"250"):
            return False
    plain.sendall(command)
    reply = _reply(plain)
    plain.settimeout(_WAIT_S)
    return reply.startswith(accepted)


def _reply(plain: socket.socket) -> bytes:
    """Return what comes until a pause."""
    text = b""
    with contextlib.suppress(TimeoutError):
        while chunk := plain.recv(4096):
            text += chunk
            plain.settimeout(0.3)
    plain.settimeout(_GREETING_S)
    return text


def _scheme_of_tls(place: tuple[str, int], prefix: bytes) -> str:
    """Return the scheme of a socket that speaks TLS at once, by its greeting."""
    with _connected(place, prefix) as plain, _TLS.wrap_socket(plain) as tls:
        tls.settimeout(_GREETING_S)
        try:
            greeting = tls.recv(200)
        except OSError:
            return "https"
    by_greeting = {b"* OK": "imaps", b"+OK": "pop3s", b'"': "sieves"}
    for start, scheme in by_greeting.items():
        if greeting.startswith(start):
            return scheme
    if greeting.startswith(b"220"):
        return "ftps" if b"FTP" in greeting.upper() else "smtps"
    return "https"


def _socket_at(place: tuple[str, int], names: Sequence[str]) -> TlsSocket | None:
    for prefix in (b"", b"", _PROXY):  # twice without: a server may limit how many connections it serves at once
        scheme = _scheme_at(place, prefix, names)
        if scheme:
            shown = ((name, _leaf(place, scheme, prefix, name)) for name in ("", *names))
            return TlsSocket(*place, scheme, bool(prefix), {name: leaf for name, leaf in shown if leaf})
    return None


def _scheme_at(place: tuple[str, int], prefix: bytes, names: Sequence[str]) -> str:
    """Return the scheme of a socket: one that speaks first is not TLS at once."""
    try:
        with _connected(place, prefix) as plain:
            plain.settimeout(_GREETING_S)
            greeting = _reply(plain)
    except OSError:
        return ""
    if greeting:
        likely = [scheme for scheme, (start, *_) in _STARTTLS.items() if greeting.startswith(start)]
        return next((scheme for scheme in likely if _leaf(place, scheme, prefix, "")), "")
    if not any(_leaf(place, "https", prefix, name) for name in ("", *names[:3])):
        return ""
    try:
        return _scheme_of_tls(place, prefix)
    except OSError:
        return "https"


def _body(address: str, name: str, path: str) -> str | None:
    connection = http.client.HTTPConnection(address, 80, timeout=_WAIT_S)
    try:
        connection.request("GET", path, headers={"Host": name})
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return text if response.status == 200 else None


def _observed(question: Question) -> dict[str, Any]:
    places = _listening(question.addresses)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: _socket_at(place, question.names), places))
    bodies = {
        f"{address} {name} {path}": body
        for address in sorted({address for address, port in places if port == 80})
        for name, path in question.requests
        if (body := _body(address, name, path)) is not None
    }
    return {
        "sockets": [asdict(socket_) for socket_ in found if socket_],
        "ports": sorted({port for _, port in places}),
        "bodies": bodies,
    }


if __name__ == "__main__":
    question = json.load(sys.stdin)
    requests = tuple((name, path) for name, path in question["requests"])
    json.dump(_observed(Question(tuple(question["addresses"]), tuple(question["names"]), requests)), sys.stdout)
