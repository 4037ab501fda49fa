"""A server with certificates for RSA and ECDSA shows both; a server with one certificate has no fault."""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from audit.observation import Observation
from audit.x509.certificate import read_certificate
from tests.support.probe.observations import HASTY, look_at
from tests.support.probe.tls_servers import both, hold, in_turn, serving, tls
from tests.support.x509.certificates import Draft, leaf, rsa_key

EC, RSA = leaf("ec.example"), leaf("rsa.example").with_key(rsa_key(2048))
VERSIONS = (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)


def leaves(observation: Observation) -> list[str]:
    """Return the subjects of the served leaves, in the order of the handshakes."""
    return [read_certificate(handshake.chain_der[0]).subject for handshake in observation.every_handshake]


@pytest.mark.parametrize("version", VERSIONS)
def test_certificate_of_the_other_key_type_is_found(version: int) -> None:
    with serving(tls(both(RSA, EC, oldest=version, newest=version))) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}")
        assert observation.connections == server.connections
    assert sorted(leaves(observation)) == ["CN=ec.example", "CN=rsa.example"]
    assert len(observation.handshakes) == len(observation.other_key_handshakes) == 1


@pytest.mark.parametrize("prefers_its_order", [False, True])
def test_server_that_follows_the_client_shows_both_in_three_connections(*, prefers_its_order: bool) -> None:
    served = both(RSA, EC)
    if prefers_its_order:
        served.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
        served.set_cipher_list(b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384")
    with serving(tls(served)) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}")
        assert observation.connections == server.connections == (5 if prefers_its_order else 3)
    assert sorted(leaves(observation)) == ["CN=ec.example", "CN=rsa.example"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("only", [RSA, EC], ids=["RSA", "ECDSA"])
def test_server_with_one_key_type_has_one_certificate_and_no_failure(only: Draft, version: int) -> None:
    with serving(tls(both(only, oldest=version, newest=version))) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}")
    assert len(leaves(observation)) == 1
    assert (observation.failures, observation.other_key_failures) == ((), ())


def test_certificates_that_alternate_at_one_address_are_both_found() -> None:
    here, there = tls(both(EC)), tls(both(leaf("other.example")))
    with serving(in_turn(here, there, here, there)) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}")
    assert leaves(observation) == ["CN=ec.example", "CN=other.example"]
    assert len(observation.changed_handshakes) == 1


def test_second_certificate_is_unknown_if_the_server_stops_responding() -> None:
    with serving(in_turn(tls(both(EC)), hold)) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}", HASTY)
    assert [failure.kind for failure in observation.other_key_failures] == ["timeout"]
    assert observation.failures == ()
