"""Certificates that OpenSSL refuses, read from the bytes of the handshake."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence

import pytest
from OpenSSL import SSL

from audit.probe.tls_probes.recorded_flight import read_flight
from tests.support.probe.first_flights import record
from tests.support.probe.observations import handshake
from tests.support.probe.tls_servers import Script, certificate, context, der, sending, serving, tls

NOT_DER = b"this is no certificate"
WRONG_KEY_OID = der(certificate()).replace(bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d0277"))


def message(kind: int, body: bytes) -> bytes:
    """Return a handshake message."""
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def prefixed(octets: bytes) -> bytes:
    """Return bytes after their length in three bytes."""
    return len(octets).to_bytes(3, "big") + octets


def flight12(chain: Sequence[bytes]) -> bytes:
    """Return a ServerHello of TLS 1.2 and the certificates, in one record each."""
    hello = b"\x03\x03" + bytes(32) + b"\0" + b"\xc0\x2b" + b"\0" + b"\0\x05\xff\x01\0\x01\0"
    listed = prefixed(b"".join(prefixed(certificate) for certificate in chain))
    return record(22, message(2, hello)) + record(22, message(11, listed))


@pytest.mark.parametrize("refused", [NOT_DER, WRONG_KEY_OID, der(certificate()) + b"\0\0", b""])
def test_certificate_that_openssl_refuses_is_returned_as_sent(refused: bytes) -> None:
    chain = (refused, der(certificate("issuer")))
    with serving(sending(flight12(chain))) as server:
        shown = handshake(f"tls://127.0.0.1:{server.port}")
    assert shown.chain_der == chain
    assert (shown.version, shown.cipher) == ("TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")


@pytest.mark.parametrize("newest", [SSL.TLS1_VERSION, SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("certificates", [1, 30])
def test_flight_of_a_real_server_has_the_chain_that_openssl_has(newest: int, certificates: int) -> None:
    chain = [certificate(f"number {number}") for number in range(certificates)]
    heard, key_log = recorded(tls(context(chain, oldest=SSL.TLS1_VERSION, newest=newest)))
    flight = read_flight(heard, key_log)
    assert flight is not None
    assert flight.chain_der == tuple(der(certificate) for certificate in chain)
    assert flight.cipher.startswith("TLS_AES" if newest == SSL.TLS1_3_VERSION else "TLS_ECDHE_ECDSA_WITH_AES")


def recorded(script: Script) -> tuple[bytes, list[bytes]]:
    """Return what a server sends during a handshake, and the key log."""
    key_log: list[bytes] = []
    offered = SSL.Context(SSL.TLS_CLIENT_METHOD)
    offered.set_cipher_list(b"ALL:@SECLEVEL=0")
    offered.set_min_proto_version(SSL.TLS1_VERSION)
    offered.set_keylog_callback(lambda _, line: key_log.append(line))
    client = SSL.Connection(offered, None)
    client.set_connect_state()
    heard = b""
    with serving(script) as server, socket.create_connection(("127.0.0.1", server.port)) as connected:
        while True:
            try:
                client.do_handshake()
            except SSL.WantReadError:
                with contextlib.suppress(SSL.WantReadError):
                    connected.sendall(client.bio_read(65_536))
                octets = connected.recv(65_536)
                heard += octets
                client.bio_write(octets)
            else:
                return heard, key_log


@pytest.mark.parametrize(
    "octets", [b"", b"\x16", b"\x16\x03\x03\xff\xff\x0b", b"HTTP/1.1 400", bytes(100), b"\xff" * 99]
)
def test_bytes_that_are_not_a_flight_have_no_certificates(octets: bytes) -> None:
    assert read_flight(octets, []) is None


def test_truncated_flight_raises_no_exception() -> None:
    whole = flight12([der(certificate())])
    for length in range(len(whole)):
        read_flight(whole[:length], [])


def test_wrong_key_decrypts_no_certificates() -> None:
    heard, key_log = recorded(tls(context()))
    wrong = [line[:-4] + b"0000" for line in key_log]
    assert read_flight(heard, wrong) is None
