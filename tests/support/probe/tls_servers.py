"""Small servers for tests of the probe: a script for each connection, optional TLS, and a count of connections."""

from __future__ import annotations

import base64
import contextlib
import functools
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from tests.support.x509.certificates import Draft

Script = Callable[[socket.socket], None]
_SCRIPT_ENDS_S = 5.0  # a script that waits for its client ends once the probe has hung up


@dataclass
class Count:
    """The number of connections that a server has accepted."""

    port: int
    connections: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)
    threads: list[threading.Thread] = field(default_factory=list)

    def wait_for(self, connections: int) -> None:
        """Wait until the server has accepted that many connections."""
        with self.changed:
            self.changed.wait_for(lambda: self.connections >= connections, timeout=30)

    def one_more(self) -> None:
        """Count a connection."""
        with self.changed:
            self.connections += 1
            self.changed.notify_all()


@contextlib.contextmanager
def serving(script: Script, *, address: str = "127.0.0.1") -> Iterator[Count]:
    """Serve every connection by a script in its own thread; the probe may drop a connection."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family, backlog=64) as listening:
        count = Count(listening.getsockname()[1])
        closing = threading.Event()
        thread = threading.Thread(target=_accept, args=(listening, script, count, closing), daemon=True)
        thread.start()
        try:
            yield count
        finally:
            closing.set()
            with contextlib.suppress(OSError), socket.create_connection((address, count.port), 1):
                pass  # wakes the thread up
            thread.join()
            for script_thread in count.threads:  # the notes of a script are complete once its server has ended
                script_thread.join(_SCRIPT_ENDS_S)


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port of 127.0.0.1 that refuses connections: it stays bound, so no other process gets it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def _accept(listening: socket.socket, script: Script, count: Count, closing: threading.Event) -> None:
    while not closing.is_set():
        connected, _ = listening.accept()
        thread = threading.Thread(target=_play, args=(connected, script, count), daemon=True)
        count.threads.append(thread)
        thread.start()


def _play(connected: socket.socket, script: Script, count: Count) -> None:
    count.one_more()
    with connected, contextlib.suppress(OSError, SSL.Error):
        connected.settimeout(30)
        script(connected)


def hold(connected: socket.socket) -> None:
    """Wait until the client has closed."""
    while connected.recv(4096):
        pass


def then(*scripts: Script) -> Script:
    """Return a script that runs scripts one after another."""

    def script(connected: socket.socket) -> None:
        for part in scripts:
            part(connected)

    return script


def in_turn(*scripts: Script) -> Script:
    """Return a script that runs the next of these for each connection, and the last one for all later ones."""
    left = list(scripts)

    def script(connected: socket.socket) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(connected)

    return script


def say(octets: bytes) -> Script:
    """Return a script that sends bytes."""
    return lambda connected: connected.sendall(octets)


def dialog(greeting: bytes, *turns: tuple[bytes, bytes]) -> Script:
    """Return a script that greets, then replies to each expected command; another command ends it."""

    def script(connected: socket.socket) -> None:
        connected.sendall(greeting)
        for command, reply in turns:
            heard = _line(connected)
            if not heard.startswith(command):
                raise OSError(f"{heard!r} instead of {command!r}")
            connected.sendall(reply)

    return script


def _line(connected: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        octet = connected.recv(1)
        if not octet:
            raise OSError("closed")
        line += octet
    return line


@functools.cache
def key() -> ec.EllipticCurvePrivateKey:
    """Return the one key of all test servers."""
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def certificate(common_name: str = "test") -> x509.Certificate:
    """Return a self-signed certificate of that name."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key().public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now).not_valid_after(now + timedelta(days=9)).sign(key(), hashes.SHA256())


def der(leaf: x509.Certificate) -> bytes:
    """Return a certificate's bytes."""
    return leaf.public_bytes(Encoding.DER)


def context(
    chain: Sequence[x509.Certificate] = (), *, oldest: int = SSL.TLS1_2_VERSION, newest: int = SSL.TLS1_3_VERSION
) -> SSL.Context:
    """Return the context of a server that supports these versions and sends this chain, leaf first."""
    leaf, *others = chain or (certificate(),)
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    made.set_cipher_list(b"ALL:@SECLEVEL=0")
    made.set_min_proto_version(oldest)
    made.set_max_proto_version(newest)
    made.use_privatekey(key())
    made.use_certificate(leaf)
    for other in others:
        made.add_extra_chain_cert(other)
    return made


def both(*drafts: Draft, oldest: int = SSL.TLS1_2_VERSION, newest: int = SSL.TLS1_3_VERSION) -> SSL.Context:
    """Return the context of a server that has these certificates."""
    served = SSL.Context(SSL.TLS_SERVER_METHOD)
    served.set_min_proto_version(oldest)
    served.set_max_proto_version(newest)
    for draft in drafts:
        served.use_certificate(x509.load_der_x509_certificate(draft.der))
        served.use_privatekey(draft.private_key)  # type: ignore[arg-type]  # its annotation has no ML-DSA
    return served


def tls(served: SSL.Context, received: list[bytes] | None = None, greeting: bytes = b"") -> Script:
    """Return a script that makes a handshake, greets, and collects in `received` what the client sends."""

    def script(connected: socket.socket) -> None:
        connected.settimeout(None)
        connection = SSL.Connection(served, connected)
        connection.set_accept_state()
        connection.do_handshake()
        if greeting:
            connection.sendall(greeting)
        with contextlib.suppress(SSL.Error):
            while heard := connection.recv(4096):
                if received is not None:
                    received.append(heard)
                if heard.strip().endswith((b"QUIT", b"LOGOUT")):
                    break
        connection.shutdown()

    return script


def sending(octets: bytes) -> Script:
    """Return a script that reads a hello, sends these bytes, and waits until the client is gone."""

    def script(connected: socket.socket) -> None:
        connected.recv(4096)
        connected.sendall(octets)
        connected.recv(4096)

    return script


def with_ssl2(served: SSL.Context, *suites: int) -> Script:
    """Return a script that makes a handshake, or sends the SERVER-HELLO of SSLv2 if the client speaks that.

    It stands in for OpenSSL 1.0 and older, and reads no more than the first byte of a hello.
    """
    listed = b"".join(suite.to_bytes(3) for suite in suites)
    body = bytes((4, 0, 1, 0, 2)) + (3).to_bytes(2) + len(listed).to_bytes(2) + (16).to_bytes(2) + b"DER" + listed

    def script(connected: socket.socket) -> None:
        if connected.recv(1, socket.MSG_PEEK) < b"\x80":
            tls(served)(connected)
        else:
            sending((0x8000 | len(body) + 16).to_bytes(2) + body + bytes(16))(connected)

    return script


@contextlib.contextmanager
def stapling(response: bytes, version: str, folder: Path) -> Iterator[int]:
    """Serve a stapled OCSP response with the openssl program, and yield its port.

    The server side of stapling in pyOpenSSL 26.4 sends nothing with OpenSSL 4.
    """
    staple = folder / "response.der"
    staple.write_bytes(response)
    with openssl_server(folder, version, "-status_file", staple) as port:
        yield port


@contextlib.contextmanager
def sending_scts(sct_list: bytes, version: str, folder: Path) -> Iterator[int]:
    """Serve a list of SCTs in the TLS handshake with the openssl program, and yield its port.

    The extension goes into the ServerHello of TLS 1.2 and the Certificate message of TLS 1.3 (0x1180).
    """
    extension = bytes.fromhex("00001180 0012") + len(sct_list).to_bytes(2) + sct_list
    info, label = folder / "server.info", "SERVERINFOV2 FOR SCTS"
    info.write_text(f"-----BEGIN {label}-----\n{base64.b64encode(extension).decode()}\n-----END {label}-----\n")
    with openssl_server(folder, version, "-serverinfo", info) as port:
        yield port


@contextlib.contextmanager
def openssl_server(folder: Path, *options: str | Path) -> Iterator[int]:
    """Serve with the openssl program and these options, and yield its port."""
    pem = folder / "server.pem"
    secret = key().private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(secret + certificate().public_bytes(Encoding.PEM))
    with s_server("-cert", pem, "-key", pem, *options) as port:
        yield port


@contextlib.contextmanager
def s_server(*options: str | Path) -> Iterator[int]:
    """Run the server of the openssl program on a free port of 127.0.0.1, and yield the port."""
    with subprocess.Popen(
        ["openssl", "s_server", "-accept", "127.0.0.1:0", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            ready = next(line for line in server.stdout or () if line.startswith(b"ACCEPT"))
            yield int(ready.rpartition(b":")[2])
        finally:
            server.kill()
