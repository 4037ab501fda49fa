"""The observation of a TLS server, with and without faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from OpenSSL import SSL

from tests.support.probe.observations import HASTY, PATIENT, failure_of, handshake, look_at
from tests.support.probe.tls_servers import (
    certificate,
    context,
    der,
    hold,
    in_turn,
    say,
    sending_scts,
    serving,
    stapling,
    then,
    tls,
)
from tests.support.x509.ct_logs import ARGON, listed, of_certificate

RECORD_OF_ALERT = b"\x15\x03\x03\x00\x02\x02"


def test_chain_is_kept_as_it_is_sent() -> None:
    chain = [certificate(name) for name in ("leaf", "root", "root", "unrelated")]
    with serving(tls(context(chain))) as server:
        shown = handshake(f"tls://127.0.0.1:{server.port}")
    assert shown.chain_der == tuple(der(certificate) for certificate in chain)


@pytest.mark.parametrize(
    ("newest", "version"),
    [(SSL.TLS1_3_VERSION, "TLSv1.3"), (SSL.TLS1_2_VERSION, "TLSv1.2"), (SSL.TLS1_VERSION, "TLSv1")],
)
def test_version_cipher_and_group_are_named(newest: int, version: str) -> None:
    with serving(tls(context(oldest=SSL.TLS1_VERSION, newest=newest))) as server:
        shown = handshake(f"tls://127.0.0.1:{server.port}")
    assert shown.version == version
    assert "AES256" in shown.cipher.replace("_", "")
    assert shown.group in ("X25519MLKEM768", "x25519")
    assert not shown.from_host


def test_alpn_is_offered_to_https_only() -> None:
    served = context()
    served.set_alpn_select_callback(lambda _, offered: offered[0])
    with serving(tls(served)) as server:
        assert handshake(f"https://127.0.0.1:{server.port}").alpn == "h2"
        assert handshake(f"tls://127.0.0.1:{server.port}").alpn is None


def test_sni_is_the_name_and_absent_for_an_address() -> None:
    names: list[bytes | None] = []
    served = context()
    served.set_tlsext_servername_callback(lambda connection: names.append(connection.get_servername()))
    with serving(tls(served)) as server:
        handshake(f"tls://www.example.test:{server.port}?address=127.0.0.1")
        handshake(f"tls://127.0.0.1:{server.port}?sni=other.example.test")
        handshake(f"tls://127.0.0.1:{server.port}")
    assert set(names) == {b"www.example.test", b"other.example.test", None}


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_stapled_ocsp_response_is_kept(version: str, tmp_path: Path) -> None:
    response = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER)
    with stapling(response, version, tmp_path) as port:
        assert handshake(f"tls://127.0.0.1:{port}").ocsp_der == response


@pytest.mark.parametrize("newest", [SSL.TLS1_3_VERSION, SSL.TLS1_2_VERSION, SSL.TLS1_1_VERSION])
def test_server_that_demands_a_client_certificate_is_observed(newest: int) -> None:
    served = context(oldest=SSL.TLS1_VERSION, newest=newest)
    served.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    with serving(tls(served)) as server:
        shown = handshake(f"tls://127.0.0.1:{server.port}")
    assert shown.chain_der == (der(certificate()),)
    assert shown.old_protocols == ("TLSv1", "TLSv1.1")


@pytest.mark.parametrize(
    ("oldest", "newest", "accepted", "connections"),
    [
        (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION, (), 4),
        (SSL.TLS1_1_VERSION, SSL.TLS1_2_VERSION, ("TLSv1.1",), 5),
        (SSL.TLS1_VERSION, SSL.TLS1_3_VERSION, ("TLSv1", "TLSv1.1"), 5),
        (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION, ("TLSv1", "TLSv1.1"), 4),
        (SSL.TLS1_VERSION, SSL.TLS1_VERSION, ("TLSv1",), 3),
    ],
)
def test_old_versions_are_found_with_the_fewest_connections(
    oldest: int, newest: int, accepted: tuple[str, ...], connections: int
) -> None:
    with serving(tls(context(oldest=oldest, newest=newest))) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}")
        assert observation.handshakes[0].old_protocols == accepted
        assert observation.connections == server.connections == connections


@pytest.mark.parametrize(
    ("oldest", "newest", "accepted", "connections"),
    [
        (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION, False, 4),
        (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION, True, 4),
        (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION, True, 4),
        (SSL.TLS1_1_VERSION, SSL.TLS1_1_VERSION, False, 4),
    ],
)
def test_tls_1_2_support_is_reported_without_another_connection(
    *, oldest: int, newest: int, accepted: bool, connections: int
) -> None:
    with serving(tls(context(oldest=oldest, newest=newest))) as server:
        observation = look_at(f"tls://127.0.0.1:{server.port}", PATIENT)
        assert observation.handshakes[0].tls12 is accepted
        assert observation.connections == server.connections == connections


def test_tls_1_2_support_is_unknown_if_the_second_connection_hangs() -> None:
    with serving(in_turn(tls(context()), hold)) as server:
        (shown,) = look_at(f"tls://127.0.0.1:{server.port}", HASTY).handshakes
    assert shown.tls12 is None


def test_server_with_an_ipv6_address_is_observed() -> None:
    with serving(tls(context()), address="::1") as server:
        shown = handshake(f"tls://[::1]:{server.port}")
    assert (shown.ocsp_der, shown.address) == (None, "::1")


def test_old_versions_are_unknown_if_the_second_connection_fails() -> None:
    with serving(in_turn(tls(context()), hold)) as server:
        (shown,) = look_at(f"tls://127.0.0.1:{server.port}", HASTY).handshakes
    assert shown.old_protocols is None


def test_chain_within_the_limit_is_kept_and_a_longer_one_refused() -> None:
    most = PATIENT.max_certificates
    with serving(tls(context([certificate()] * most))) as server:
        assert len(handshake(f"tls://127.0.0.1:{server.port}").chain_der) == most
    for number, detail in ((most + 1, f"{most + 1} certificates"), (600, "")):  # 600 are above the limit of OpenSSL
        shown = failure_of(tls(context([certificate()] * number)))
        assert (shown.stage, shown.kind, detail in shown.detail) == ("handshake", "too-much", True)


@pytest.mark.parametrize(
    ("octets", "kind", "detail"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "plaintext", ""),
        (b"<html>400</html>", "plaintext", ""),
        (b"220 mail.example.test ESMTP\r\n", "plaintext", ""),
        (b"421 Too many concurrent SMTP connections\r\n", "busy", "Too many concurrent"),
        (b"* OK ready\r\n", "plaintext", ""),
        (b"+OK ready\r\n", "plaintext", ""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "garbage", ""),
        (b"\x00\xff" * 50, "garbage", ""),
        (b"\x16\x03\x03\x00\x04\x63\x00\x00\x00", "broken", ""),
        (RECORD_OF_ALERT + b"\x70", "alert", "unrecognized_name"),
        (RECORD_OF_ALERT + b"\x46", "no-shared", ""),
    ],
)
def test_response_without_a_handshake_is_named(octets: bytes, kind: str, detail: str) -> None:
    shown = failure_of(then(say(octets), hold))
    assert (shown.stage, shown.kind, detail in shown.detail) == ("handshake", kind, True)


@pytest.mark.parametrize(("option", "version"), [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_scts_in_the_handshake_are_kept_as_sent(option: str, version: str, tmp_path: Path) -> None:
    scts = listed(ARGON.sct(of_certificate(der(certificate()))), b"no SCT")
    with sending_scts(scts, option, tmp_path) as port:
        shown = handshake(f"tls://127.0.0.1:{port}")
    assert (shown.version, shown.sct_list) == (version, scts)


def test_handshake_without_scts_has_an_empty_list() -> None:
    with serving(tls(context())) as server:
        assert handshake(f"tls://127.0.0.1:{server.port}").sct_list == b""
