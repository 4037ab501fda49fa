"""The TLS configuration of real servers, whose own options are the truth, and of servers that behave badly."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tlslite.mathtls import FFDHE2048, RFC2409_GROUP2

from audit.observation import Handshake
from audit.observation.tls_registry import suite_name
from audit.observation.tls_support import Depth, FiniteField, TlsFeatures, TlsSupport
from tests.support.probe.first_flights import alert, chain, done, hello, record
from tests.support.probe.observations import HASTY, PATIENT, look_at
from tests.support.probe.tls_servers import (
    context,
    hold,
    in_turn,
    openssl_server,
    sending,
    serving,
    tls,
    with_ssl2,
)
from tests.support.x509.certificates import leaf, rsa_key
from tests.support.x509.paths import tlv

ALL: Final = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
NO_ENCRYPT_THEN_MAC, NO_EXTENDED_MASTER_SECRET = 1 << 19, 1  # options of OpenSSL (openssl/ssl.h)
FATAL, HANDSHAKE_FAILURE = 2, 40
REFUSED = alert(FATAL, HANDSHAKE_FAILURE)
_NOT_SERVED: Final = re.compile("DSS|PSK|SRP")  # without a certificate or a secret for them
_LISTED: Final = re.compile(r"0x([0-9A-F]{2}),0x([0-9A-F]{2}) - (\S+)")


def support_of(port: int, depth: Depth = "full", scheme: str = "tls") -> TlsSupport:
    """Return what is found of the server at a port of loopback."""
    (seen,) = look_at(f"{scheme}://127.0.0.1:{port}", replace(PATIENT, depth=depth)).handshakes
    assert isinstance(seen, Handshake)
    assert seen.tls is not None
    return seen.tls


def suites_of_openssl(ciphers: str, version: str) -> list[str]:
    """Return the suites that a list of ciphers means to OpenSSL for a version, by their IANA names, in its order."""
    command = ["openssl", "ciphers", "-V", "-s", version, "-ciphersuites", "", ciphers]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = [suite_name(int(high + low, 16)) for high, low, _ in _LISTED.findall(listed)]
    return [name for name in names if not _NOT_SERVED.search(name)]


def rsa_files(folder: Path) -> tuple[str | Path, ...]:
    """Return the options of the openssl program for a certificate with an RSA key beside the other one."""
    draft = leaf("rsa.example").with_key(rsa_key(2048))
    key = draft.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem = folder / "rsa.pem"
    pem.write_text(key.decode("ascii") + ssl.DER_cert_to_PEM_cert(draft.der))
    return ("-dcert", pem, "-dkey", pem)


def suites_by_version(support: TlsSupport) -> dict[str, list[str]]:
    """Return the suites of each version in the order in which they were found."""
    return {seen.version: list(seen.suites) for seen in support.versions}


@pytest.mark.parametrize(
    "ciphers", [ALL, "ECDHE-ECDSA-AES128-GCM-SHA256", "AES128-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES128-GCM-SHA256"]
)
def test_suites_are_those_of_the_configuration(ciphers: str, tmp_path: Path) -> None:
    options = ("-cipher", f"{ciphers}:@SECLEVEL=0", "-ciphersuites", "TLS_AES_128_GCM_SHA256")
    with openssl_server(tmp_path, *options, *rsa_files(tmp_path)) as port:
        found = support_of(port)
    shown = suites_by_version(found)
    assert sorted(shown["TLSv1.2"]) == sorted(suites_of_openssl(f"{ciphers}:@SECLEVEL=0", "-tls1_2"))
    assert shown["TLSv1.3"] == ["TLS_AES_128_GCM_SHA256"]
    assert found.is_complete


@pytest.mark.parametrize("options", [(), ("-serverpref",)])
def test_order_of_the_server_is_that_of_its_configuration(options: Sequence[str], tmp_path: Path) -> None:
    ciphers = "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384"
    with openssl_server(tmp_path, "-tls1_2", "-cipher", ciphers, *options) as port:
        (found,) = support_of(port).versions
    assert found.prefers_its_order == bool(options)
    assert (list(found.suites) == suites_of_openssl(ciphers, "-tls1_2")) == bool(options)


def test_chacha20_for_clients_that_prefer_it_is_an_order_of_the_server(tmp_path: Path) -> None:
    ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
    with openssl_server(tmp_path, "-tls1_2", "-cipher", ciphers, "-serverpref", "-prioritize_chacha") as port:
        (found,) = support_of(port).versions
    assert found.prefers_its_order


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_groups_are_those_of_the_configuration(version: str, tmp_path: Path) -> None:
    with openssl_server(tmp_path, version, "-groups", "P-384:X448:P-256") as port:
        found = support_of(port)
    assert sorted(found.groups) == ["secp256r1", "secp384r1", "x448"]
    assert found.has_all_groups


def test_group_that_only_tls12_has_is_found_beside_those_of_tls13(tmp_path: Path) -> None:
    with openssl_server(tmp_path, "-groups", "X25519:secp224r1:brainpoolP256r1", "-cipher", ALL) as port:
        found = support_of(port)
    assert sorted(found.groups) == ["brainpoolP256r1", "secp224r1", "x25519"]


def test_signature_schemes_are_those_of_the_configuration(tmp_path: Path) -> None:
    schemes = "RSA-PSS+SHA384:RSA+SHA256:ECDSA+SHA256"
    with openssl_server(tmp_path, "-tls1_2", "-sigalgs", schemes, *rsa_files(tmp_path)) as port:
        found = support_of(port)
    assert sorted(found.schemes) == ["ecdsa_secp256r1_sha256", "rsa_pkcs1_sha256", "rsa_pss_rsae_sha384"]
    assert found.has_all_schemes


@pytest.mark.parametrize(
    ("prime", "expected"),
    [
        (RFC2409_GROUP2[1], FiniteField(1024, "RFC 2409 group 2")),
        (FFDHE2048[1], FiniteField(2048, "ffdhe2048")),
    ],
)
@pytest.mark.parametrize("depth", ["standard", "full"])
def test_prime_of_a_finite_field_has_its_size_and_name(
    prime: int, expected: FiniteField, depth: Depth, tmp_path: Path
) -> None:
    parameters = tmp_path / "dh.pem"
    body = tlv(0x30, tlv(2, prime.to_bytes(prime.bit_length() // 8 + 1)), tlv(2, b"\2"))
    text = base64.encodebytes(body).decode()
    parameters.write_text(f"-----BEGIN DH PARAMETERS-----\n{text}-----END DH PARAMETERS-----\n")
    options = ("-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", "-dhparam", parameters)
    with openssl_server(tmp_path, *options, *rsa_files(tmp_path)) as port:
        found = support_of(port, depth)
    assert found.primes == (expected,)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), TlsFeatures(True, True, True, False, True, True, False)),
        (("-no_ticket",), TlsFeatures(True, True, True, False, False, True, False)),
        (("-verify", "1"), TlsFeatures(True, True, True, False, True, True, True)),
    ],
)
def test_features_are_those_of_the_configuration(options: Sequence[str], expected: TlsFeatures, tmp_path: Path) -> None:
    with openssl_server(tmp_path, *options, "-cipher", ALL) as port:
        assert support_of(port).features == expected


@pytest.mark.parametrize(
    ("option", "feature"),
    [(NO_ENCRYPT_THEN_MAC, "encrypt_then_mac"), (NO_EXTENDED_MASTER_SECRET, "extended_master_secret")],
)
def test_feature_that_a_server_has_disabled_is_found(option: int, feature: str) -> None:
    served = context()
    served.set_options(option)
    with serving(tls(served)) as server:
        assert getattr(support_of(server.port).features, feature) is False


@pytest.mark.parametrize(
    ("options", "forbidden", "allowed"),
    [
        (
            ("-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"),
            set(),
            {"broken", "finite-field", "static", "weak", "weak-groups"},
        ),
        (("-cipher", ALL), {"TLS_RSA_WITH_NULL_MD5", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"}, {"weak-groups"}),
        (("-tls1_3",), set(), {"broken", "finite-field", "static", "weak", "weak-groups", "weak-schemes"}),
        (("-tls1_2", "-cipher", "AES128-GCM-SHA256"), {"TLS_RSA_WITH_AES_128_GCM_SHA256"}, {"broken", "weak"}),
        (("-tls1_1", "-cipher", ALL), {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"}, {"weak-groups"}),
    ],
)
def test_standard_depth_finds_what_is_forbidden_in_twelve_connections(
    options: Sequence[str], forbidden: set[str], allowed: set[str], tmp_path: Path
) -> None:
    with openssl_server(tmp_path, *options, *rsa_files(tmp_path)) as port:
        found = support_of(port, "standard")
    assert forbidden <= {suite for seen in found.versions for suite in seen.suites}
    assert allowed <= set(found.refused)
    assert found.connections <= 12
    assert found.incomplete_because == ""


def test_full_depth_takes_one_connection_for_each_value_and_few_more(tmp_path: Path) -> None:
    with openssl_server(tmp_path, "-cipher", "ECDHE+AESGCM:AES128-SHA", *rsa_files(tmp_path)) as port:
        found = support_of(port)
    values = sum(len(seen.suites) for seen in found.versions) + len(found.groups) + len(found.schemes)
    of_orders, refusals, first = 2 * (len(found.versions) + 1), len(found.versions) + 3, 5
    assert found.connections <= values + of_orders + refusals + first + len(("SSLv3", "SSLv2", "fallback"))


def test_survey_is_not_made_at_depth_certificate() -> None:
    with serving(tls(context())) as server:
        (seen,) = look_at(f"tls://127.0.0.1:{server.port}").handshakes
        assert seen.tls is None
        assert server.connections <= 4


def test_unknown_suite_and_version_are_reported_by_number() -> None:
    odd = record(22, hello(0xFEFD) + chain() + done())
    with serving(in_turn(tls(context()), sending(odd))) as server:
        found = support_of(server.port, "standard")
    assert "0xFEFD" in suites_by_version(found)["TLSv1.2"]


def test_server_that_chooses_what_was_not_offered_is_asked_no_further() -> None:
    always = record(22, hello(0x002F) + chain() + done())
    with serving(in_turn(tls(context()), sending(always))) as server:
        found = support_of(server.port)
        assert server.connections < 30
    assert not found.is_complete


def test_busy_server_ends_the_survey_and_what_was_found_stays() -> None:
    served = context()
    busy = sending(b"421 4.7.0 too many connections\r\n")
    first = (tls(served), tls(served), sending(REFUSED), sending(REFUSED))
    with serving(in_turn(*first, tls(served), busy)) as server:
        found = support_of(server.port)
        assert server.connections <= 12
    assert "the server is busy" in found.incomplete_because
    assert "TLSv1.2" in suites_by_version(found)
    assert not found.is_complete


@pytest.mark.parametrize("options", [(), ("-serverpref",)])
def test_order_of_groups_of_tls12_is_found(options: Sequence[str], tmp_path: Path) -> None:
    with openssl_server(tmp_path, "-tls1_2", "-groups", "P-384:X25519:P-256", *options, *rsa_files(tmp_path)) as port:
        found = support_of(port)
    assert found.prefers_its_groups == bool(options)
    assert (list(found.groups) == ["secp384r1", "x25519", "secp256r1"]) == bool(options)


def test_client_chooses_the_group_beside_an_ec_certificate_alone(tmp_path: Path) -> None:
    with openssl_server(tmp_path, "-tls1_2", "-groups", "X25519:P-256") as port:
        found = support_of(port)
    assert (set(found.groups), found.prefers_its_groups) == ({"x25519", "secp256r1"}, False)


def test_server_that_never_responds_to_ssl2_is_surveyed() -> None:
    def script(connected: socket.socket) -> None:
        (hold if connected.recv(1, socket.MSG_PEEK) >= b"\x80" else tls(context()))(connected)

    with serving(script) as server:
        (seen,) = look_at(f"tls://127.0.0.1:{server.port}", replace(HASTY, depth="full")).handshakes
    assert seen.tls is not None
    assert "a SERVER-HELLO of SSLv2" in seen.tls.incomplete_because
    assert (seen.tls.has_all_groups, [found.has_all for found in seen.tls.versions]) == (True, [True, True])


def test_suites_of_ssl2_are_those_of_its_server_hello() -> None:
    with serving(with_ssl2(context(), 0x010080, 0x060040)) as server:
        found = support_of(server.port, "standard")
    assert suites_by_version(found)["SSLv2"] == ["SSL_CK_RC4_128_WITH_MD5", "SSL_CK_DES_64_CBC_WITH_MD5"]
