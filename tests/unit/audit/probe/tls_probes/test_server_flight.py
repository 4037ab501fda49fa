"""The first flight of a server: what it chose and sent, in whatever pieces; or why it cannot be read."""

from __future__ import annotations

from typing import Final

import pytest
from tlslite.constants import GroupName
from tlslite.extensions import ALPNExtension, HRRKeyShareExtension, SrvSupportedVersionsExtension
from tlslite.messages import ServerHello as Message

from audit.observation.tls_registry import TLS11, TLS12, TLS13
from audit.probe.tls_probes.framing import MalformedFlight
from audit.probe.tls_probes.server_flight import FirstFlight, FlightReader, KeyExchange
from tests.support.probe.first_flights import (
    PRIME,
    TLS11_WIRE,
    alert,
    chain,
    dhe,
    done,
    ecdhe,
    hello,
    record,
    request,
    whole,
    written,
)
from tests.support.probe.tls_servers import certificate, der

DHE_RSA, ECDHE_RSA, RSA, RSA_EXPORT, ECDH_ANON, UNKNOWN = 0x009E, 0xC02F, 0x009C, 0x0003, 0xC018, 0xFEFD
WARNING, FATAL = 1, 2
UNRECOGNIZED_NAME, CLOSE_NOTIFY, HANDSHAKE_FAILURE = 112, 0, 40
RETRY: Final = bytearray.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def flight(octets: bytes) -> FirstFlight:
    """Return the flight of all bytes."""
    reader = FlightReader()
    assert reader.feed(octets) == reader.flight.is_complete
    return reader.flight


@pytest.mark.parametrize(
    ("suite", "sent", "expected"),
    [
        (DHE_RSA, dhe(DHE_RSA), KeyExchange(prime=PRIME.to_bytes(128), scheme=0x0401)),
        (ECDHE_RSA, ecdhe(ECDHE_RSA), KeyExchange(group=GroupName.secp384r1, scheme=0x0401)),
        (ECDHE_RSA, ecdhe(ECDHE_RSA, 0x6A6A), KeyExchange(group=0x6A6A, scheme=0x0401)),
        (RSA, b"", None),
        (UNKNOWN, ecdhe(ECDHE_RSA), None),
    ],
)
def test_choices_of_a_server_are_read(suite: int, sent: bytes, expected: KeyExchange | None) -> None:
    seen = flight(whole(suite, sent, request()))
    assert seen.hello is not None
    assert (seen.hello.suite, seen.hello.version, seen.chain_der) == (suite, TLS12, (der(certificate()),))
    assert seen.key_exchange == expected
    assert (seen.requests_certificate, seen.is_complete) == (True, True)


def test_size_of_a_prime_does_not_count_leading_zeros() -> None:
    exchange = flight(whole(DHE_RSA, dhe(DHE_RSA))).key_exchange
    assert exchange is not None
    assert exchange.prime_bits == 1024


def test_key_exchange_before_tls12_names_no_scheme() -> None:
    octets = record(22, hello(DHE_RSA, TLS11_WIRE) + chain() + dhe(DHE_RSA, TLS11_WIRE) + done(), TLS11_WIRE)
    seen = flight(octets)
    assert seen.hello is not None
    assert seen.hello.version == TLS11
    assert seen.key_exchange == KeyExchange(prime=PRIME.to_bytes(128))


def test_anonymous_key_exchange_is_not_signed() -> None:
    unsigned = ecdhe(ECDHE_RSA)[: 4 + 4 + 97]
    seen = flight(record(22, hello(ECDH_ANON) + bytes((12,)) + (4 + 97).to_bytes(3) + unsigned[4:] + done()))
    assert seen.key_exchange == KeyExchange(group=GroupName.secp384r1)
    assert seen.chain_der is None


def test_key_of_an_export_suite_has_its_size() -> None:
    modulus, exponent = (64).to_bytes(2) + b"\xc5" * 64, b"\0\3\1\0\1"
    body = modulus + exponent + (64).to_bytes(2) + bytes(64)
    seen = flight(
        record(22, hello(RSA_EXPORT, TLS11_WIRE) + chain() + bytes((12,)) + len(body).to_bytes(3) + body + done())
    )
    assert seen.key_exchange == KeyExchange(modulus_bits=512)


def test_retry_of_tls13_names_the_group_that_the_server_wants() -> None:
    extensions = [
        SrvSupportedVersionsExtension().create((3, 4)),
        HRRKeyShareExtension().create(GroupName.secp521r1),
    ]
    retry = Message().create((3, 3), RETRY, bytearray(32), 0x1301, extensions=extensions)
    seen = flight(record(22, written(retry)))
    assert seen.hello is not None
    assert (seen.hello.version, seen.hello.is_retry, seen.hello.group) == (TLS13, True, GroupName.secp521r1)
    assert seen.is_complete


@pytest.mark.parametrize("chosen", [b"h2", b""])
def test_protocol_of_alpn_is_read(chosen: bytes) -> None:
    extensions = [ALPNExtension().create([bytearray(chosen)])] if chosen else None
    seen = flight(record(22, hello(RSA, extensions=extensions)))
    assert seen.hello is not None
    assert seen.hello.alpn == (chosen or None)
    assert not seen.is_complete


def test_warnings_before_a_hello_are_not_a_refusal() -> None:
    seen = flight(alert(WARNING, UNRECOGNIZED_NAME) * 2 + whole(RSA))
    assert (seen.alert, seen.chain_der) == (None, (der(certificate()),))


@pytest.mark.parametrize(("level", "description"), [(FATAL, HANDSHAKE_FAILURE), (WARNING, CLOSE_NOTIFY), (7, 200)])
def test_alert_ends_the_flight(level: int, description: int) -> None:
    seen = flight(alert(level, description) + whole(RSA))
    assert (seen.alert, seen.hello, seen.is_complete) == ((level, description), None, True)


def test_pieces_of_any_size_make_the_same_flight() -> None:
    octets = alert(WARNING, UNRECOGNIZED_NAME) + whole(DHE_RSA, dhe(DHE_RSA), request())
    expected = flight(octets)
    for size in (1, 2, 5, 7, 100):
        reader = FlightReader()
        pieces = [octets[start : start + size] for start in range(0, len(octets), size)]
        assert [reader.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
        assert reader.flight == expected


def test_messages_may_be_split_over_records() -> None:
    messages = hello(RSA) + chain() + done()
    octets = b"".join(record(22, messages[start : start + 3]) for start in range(0, len(messages), 3))
    assert flight(octets) == flight(record(22, messages))


def test_flight_that_ends_early_is_not_complete() -> None:
    octets = whole(ECDHE_RSA, ecdhe(ECDHE_RSA))
    assert not any(flight(octets[:length]).is_complete for length in range(len(octets)))


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (record(22, chain()), "the first handshake message has the type 11"),
        (record(23, b"x"), "a record has the type 23"),
        (record(22, bytes((2, 0, 0, 3, 3, 3, 0))), "32 bytes should follow at byte 2 of 3"),
        (record(22, hello(RSA) + bytes((11, 0, 0, 3, 0, 0, 9))), "9 bytes should follow at byte 3 of 3"),
        (record(22, hello(ECDHE_RSA) + bytes((12, 0, 0, 1, 9))), "the key exchange has a curve of the type 9"),
    ],
)
def test_malformed_flight_says_what_is_wrong(octets: bytes, reason: str) -> None:
    with pytest.raises(MalformedFlight, match=reason):
        flight(octets)
