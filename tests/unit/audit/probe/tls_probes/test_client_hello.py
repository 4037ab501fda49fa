"""A hello says to other implementations what it was given, and its length hangs no server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from OpenSSL import SSL
from tlslite.constants import ExtensionType
from tlslite.messages import ClientHello as Parsed
from tlslite.utils.codec import Parser

from audit.observation.tls_registry import SSL3, TLS10, TLS11, TLS12, TLS13, X25519, suites, version_name
from audit.probe.tls_probes.client_hello import RENEGOTIATION_SCSV, ClientHello
from audit.probe.tls_probes.offers import Client
from audit.probe.tls_probes.server_flight import FlightReader
from tests.support.probe.first_flights import flight_of_openssl
from tests.support.probe.tls_servers import both
from tests.support.x509.certificates import leaf, rsa_key

NAME: Final = "www.example.test"
CLIENT: Final = Client(NAME, (b"h2", b"http/1.1"))
HELLOS: Final = {
    "before TLS 1.3": CLIENT.before_tls13(),
    "before TLS 1.2": CLIENT.before_tls12(),
    "TLS 1.0": CLIENT.with_tls10(),
    "RSA": CLIENT.with_key_type("RSA"),
    "ECDSA": CLIENT.with_key_type("ECDSA"),
}
OF_TLS13: Final = (HELLOS["RSA"], HELLOS["ECDSA"])


def parsed(hello: ClientHello) -> Any:  # noqa: ANN401 - tlslite has no types
    """Return a hello as tlslite reads it."""
    octets = bytearray(hello.encode())
    assert octets[0] == 22
    assert int.from_bytes(octets[3:5]) == len(octets) - 5
    message = Parser(octets[5:])
    assert message.get(1) == 1
    read = Parsed().parse(message)
    assert message.getRemainingLength() == 0
    return read


@pytest.mark.parametrize("hello", HELLOS.values(), ids=HELLOS)
def test_another_implementation_reads_what_was_offered(hello: ClientHello) -> None:
    read = parsed(hello)
    assert tuple(read.cipher_suites) == tuple(hello.suites)
    assert read.compression_methods == [*hello.compressions, 0]
    assert read.server_name == NAME.encode()
    assert tuple(read.getExtension(ExtensionType.supported_groups).groups) == tuple(hello.groups)
    assert tuple(read.getExtension(ExtensionType.alpn).protocol_names) == tuple(hello.alpn)
    assert read.client_version == divmod(min(TLS12, max(hello.versions)), 256)


@pytest.mark.parametrize("hello", OF_TLS13, ids=["RSA", "ECDSA"])
def test_hello_of_tls13_names_its_versions_and_has_a_key_share(hello: ClientHello) -> None:
    read = parsed(hello)
    assert read.getExtension(ExtensionType.supported_versions).versions == [(3, 4), (3, 3)]
    (share,) = read.getExtension(ExtensionType.key_share).client_shares
    assert (share.group, len(share.key_exchange)) == (X25519, 32)
    schemes = [high << 8 | low for high, low in read.getExtension(ExtensionType.signature_algorithms).sigalgs]
    assert schemes == list(hello.signatures)
    assert len(read.session_id) == 32


def test_client_of_one_key_type_offers_nothing_of_the_other() -> None:
    for key, hello in zip(("RSA", "ECDSA"), OF_TLS13, strict=True):
        offered = [suites()[number] for number in hello.suites if number != RENEGOTIATION_SCSV]
        assert {suite.key for suite in offered} == {"", key}
    assert set(OF_TLS13[0].signatures).isdisjoint(OF_TLS13[1].signatures)


@pytest.mark.parametrize("key", ["ECDSA", "RSA"])
def test_client_offers_the_type_of_key_that_it_prefers_first(key: str) -> None:
    hello = CLIENT.before_tls13(key)
    offered = [suites()[number].key for number in hello.suites if number != RENEGOTIATION_SCSV]
    assert offered == sorted(offered, key=lambda of_suite: of_suite != key)
    assert {"ECDSA", "RSA", "DSS"} == set(offered)
    assert hello.signatures[0] == CLIENT.with_key_type(key).signatures[0]


def test_no_client_offers_a_suite_without_strength_or_certificate() -> None:
    offered = {suites()[number] for hello in HELLOS.values() for number in hello.suites if number != RENEGOTIATION_SCSV}
    assert len(offered) > 50
    assert not any(suite.is_export or suite.key == "anon" or "NULL" in suite.cipher for suite in offered)


@pytest.mark.parametrize("make", [Client.before_tls13, Client.before_tls12, Client.with_tls10])
def test_hello_for_a_name_of_any_length_hangs_no_server(make: Callable[[Client], ClientHello]) -> None:
    lengths = [len(make(Client("a" * length)).encode()) - 5 for length in range(251)]
    short = [len(ClientHello((TLS12,), (47,), server_name="a" * length).encode()) - 5 for length in range(1, 251)]
    assert not [length for length in (*lengths, *short) if 256 <= length < 512]
    assert min(short) < 256
    assert max(short) == 512


def test_hello_of_ssl3_has_no_extensions() -> None:
    read = parsed(ClientHello((SSL3,), (10, 5), groups=(23,), server_name=NAME))
    assert (read.extensions, read.client_version, read.cipher_suites) == (None, (3, 0), [10, 5])


def test_no_two_hellos_have_the_same_random_bytes() -> None:
    hello = CLIENT.with_key_type("RSA")
    first, second = parsed(hello), parsed(hello)
    assert first.random != second.random
    assert first.session_id != second.session_id


@pytest.mark.parametrize(
    ("version", "newest", "hello"),
    [
        (TLS13, SSL.TLS1_3_VERSION, HELLOS["ECDSA"]),
        (TLS12, SSL.TLS1_3_VERSION, HELLOS["before TLS 1.3"]),
        (TLS12, SSL.TLS1_2_VERSION, HELLOS["RSA"]),
        (TLS11, SSL.TLS1_3_VERSION, HELLOS["before TLS 1.2"]),
        (TLS10, SSL.TLS1_3_VERSION, HELLOS["TLS 1.0"]),
    ],
)
def test_openssl_agrees_on_the_version(version: int, newest: int, hello: ClientHello) -> None:
    served = both(
        leaf("ec.example"), leaf("rsa.example").with_key(rsa_key(2048)), oldest=SSL.TLS1_VERSION, newest=newest
    )
    served.set_cipher_list(b"ALL:@SECLEVEL=0")
    reader = FlightReader()
    assert reader.feed(flight_of_openssl(served, hello.encode()))
    assert reader.flight.hello is not None, reader.flight
    assert version_name(reader.flight.hello.version) == version_name(version)
    assert (reader.flight.chain_der is None) == (version == TLS13)
