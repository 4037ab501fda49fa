"""What the connections after the first one find, and what they do not take for a refusal or for a certificate."""

from __future__ import annotations

import socket

import pytest
from OpenSSL import SSL

from tests.support.probe.first_flights import alert, done, flight_of_openssl, hello, record
from tests.support.probe.observations import look_at
from tests.support.probe.tls_servers import Script, context, in_turn, sending, serving, tls

WARNING, FATAL = 1, 2
INTERNAL_ERROR, UNRECOGNIZED_NAME, PROTOCOL_VERSION = 80, 112, 70
RSA = 0x009C
REFUSED = alert(FATAL, PROTOCOL_VERSION)


def in_single_bytes(served: SSL.Context) -> Script:
    """Return a script that sends the flight of a real server byte by byte."""

    def script(connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in flight_of_openssl(served, connected.recv(4096)):
            connected.sendall(bytes((octet,)))
        connected.recv(4096)

    return script


def warning_first(served: SSL.Context) -> Script:
    """Return a script that warns about the name before a handshake, as Apache does for one that it does not have."""

    def script(connected: socket.socket) -> None:
        connected.sendall(alert(WARNING, UNRECOGNIZED_NAME))
        tls(served)(connected)

    return script


@pytest.mark.parametrize("newest", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_warning_about_the_name_is_not_a_refusal(newest: int) -> None:
    served = context(newest=newest)
    with serving(in_turn(tls(served), warning_first(served))) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}")
    (shown,) = observation.handshakes
    assert (shown.tls12, shown.old_protocols, shown.unknown_versions) == (True, (), "")


def test_flight_in_single_bytes_is_read() -> None:
    served = context()
    with serving(in_turn(tls(served), in_single_bytes(served), sending(REFUSED))) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}")
    (shown,) = observation.handshakes
    assert (shown.tls12, shown.old_protocols, observation.changed_handshakes) == (True, (), ())


def test_alert_before_the_certificate_is_a_refusal() -> None:
    aborted = sending(record(22, hello(RSA)) + alert(FATAL, INTERNAL_ERROR))
    with serving(in_turn(tls(context()), aborted, tls(context()), sending(REFUSED))) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}")
    (shown,) = observation.handshakes
    assert (shown.tls12, observation.changed_handshakes) == (False, ())


def test_flight_without_a_certificate_is_not_another_certificate() -> None:
    with serving(in_turn(tls(context()), sending(record(22, hello(RSA) + done())), sending(REFUSED))) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}")
    (shown,) = observation.handshakes
    assert (shown.tls12, observation.changed_handshakes, observation.other_key_handshakes) == (True, (), ())


def test_flight_that_cannot_be_read_leaves_the_versions_unknown() -> None:
    with serving(in_turn(tls(context()), sending(record(22, done())))) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}")
    (shown,) = observation.handshakes
    assert (shown.tls12, shown.old_protocols) == (None, None)
    assert "the first handshake message has the type 14" in shown.unknown_versions
    assert [failure.kind for failure in observation.other_key_failures] == ["broken"]


def test_certificate_before_the_connection_closes_is_seen() -> None:
    served = context()

    def closing(connected: socket.socket) -> None:
        octets = flight_of_openssl(served, connected.recv(4096))
        connected.sendall(octets[:-9])  # without ServerHelloDone

    with serving(in_turn(tls(served), closing, sending(REFUSED))) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}")
    (shown,) = observation.handshakes
    assert (shown.tls12, observation.changed_handshakes) == (True, ())
