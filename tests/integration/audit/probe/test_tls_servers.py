"""Servers of the openssl program choose what the truth of their configuration states."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from audit.observation.tls_registry import TLS10, TLS11, TLS12, TLS13, suite_name, suites
from audit.probe.tls_probes.client_hello import ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET, TICKET, WANTED, ClientHello
from audit.probe.tls_probes.server_flight import FirstFlight, FlightReader
from tests.support.tls_servers.openssl_server import CONFIGURATIONS, Configuration, serving

_OPTIONS: Final = {TLS10: "-tls1", TLS11: "-tls1_1", TLS12: "-tls1_2", TLS13: "-tls1_3"}
_GROUPS: Final = (23, 24, 25, 29, 30)
_SCHEMES: Final = (0x0804, 0x0401, 0x0201)
Served = tuple[Configuration, int]


@pytest.fixture(scope="module", params=CONFIGURATIONS, ids=lambda configuration: configuration.name)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(request.param, tmp_path_factory.mktemp("server")) as port:
        yield request.param, port


def test_openssl_client_agrees_on_versions_and_suites(served: Served) -> None:
    configuration, port = served
    agreed = {version: _agreed_by_openssl(port, version) for version in _OPTIONS}
    for version, suite in agreed.items():
        offered = configuration.truth.suites.get(version, ())
        assert (suite in {suite_name(number) for number in offered}) if offered else suite is None


def test_prober_finds_suites_of_each_version(served: Served) -> None:
    configuration, port = served
    for version in _OPTIONS:
        found = _chosen_in_turn(port, ClientHello((version,), _suites(version), _GROUPS, _SCHEMES))
        assert set(found) == set(configuration.truth.suites.get(version, ()))
        if configuration.truth.prefers_own_order:
            assert found == configuration.truth.suites.get(version, ())


def test_order_of_client_counts_unless_server_prefers_its_own(served: Served) -> None:
    configuration, port = served
    for version, suites_in_order in configuration.truth.suites.items():
        backwards = suites_in_order[::-1]
        flight = _flight(port, ClientHello((version,), backwards, _GROUPS, _SCHEMES))
        expected = suites_in_order if configuration.truth.prefers_own_order else backwards
        assert flight.hello
        assert flight.hello.suite == expected[0]


def test_prober_finds_groups_and_prime(served: Served) -> None:
    configuration, port = served
    truth, newest = configuration.truth, max(configuration.truth.versions)
    hello = ClientHello((newest,), truth.suites[newest], _GROUPS, _SCHEMES)
    if truth.groups:
        on_curves = tuple(number for number in hello.suites if suites()[number].exchange in ("", "ECDHE", "ECDH"))
        alone = (replace(hello, suites=on_curves, groups=(group,)) for group in _GROUPS)
        assert {offer.groups[0] for offer in alone if _flight(port, offer).hello} == set(truth.groups)
    exchange = _flight(port, hello).key_exchange
    assert (exchange.prime_bits if exchange and exchange.prime else None) == truth.dhe_bits


def test_extensions_of_server_hello_agree_with_flags(served: Served) -> None:
    configuration, port = served
    older = [version for version in configuration.truth.versions if version < TLS13]
    for version in older:
        offered = configuration.truth.suites[version]
        hello = _flight(port, ClientHello((version,), offered, _GROUPS, _SCHEMES, extensions=WANTED)).hello
        assert hello
        assert (EXTENDED_MASTER_SECRET in hello.extensions) == configuration.truth.has_extended_master_secret
        assert (TICKET in hello.extensions) == configuration.truth.has_tickets
        if suites()[hello.suite].is_cbc:
            assert (ENCRYPT_THEN_MAC in hello.extensions) == configuration.truth.has_encrypt_then_mac


def _suites(version: int) -> tuple[int, ...]:
    return tuple(number for number, suite in suites().items() if suite.is_tls13 == (version == TLS13))


def _chosen_in_turn(port: int, hello: ClientHello) -> tuple[int, ...]:
    """Return the suites that the server chooses, each from those that are left."""
    found = tuple[int, ...]()
    while left := tuple(number for number in hello.suites if number not in found):
        flight = _flight(port, replace(hello, suites=left))
        if flight.hello is None or flight.hello.version != hello.versions[0]:
            return found
        found += (flight.hello.suite,)
    return found


def _flight(port: int, hello: ClientHello) -> FirstFlight:
    reader = FlightReader()
    with socket.create_connection(("127.0.0.1", port), 30) as connected:
        connected.sendall(hello.encode())
        while (octets := connected.recv(65_536)) and not reader.feed(octets):
            pass
    return reader.flight


def _agreed_by_openssl(port: int, version: int) -> str | None:
    """Return the name of the suite that the client of openssl agrees on in one version."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", _OPTIONS[version]]
    done = subprocess.run(
        [*command, "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=30,
    )
    agreed = re.search(rb"Cipher is (?!\(NONE\))(\S+)", done.stdout)
    return _standard_name(agreed[1].decode()) if agreed else None


def _standard_name(name: str) -> str:
    command = ["openssl", "ciphers", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return next(line.split()[0] for line in listed.splitlines() if line.split()[2] == name)
