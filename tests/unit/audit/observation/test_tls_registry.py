"""Numbers have the names that other implementations give them, and the parts of a suite are those of OpenSSL."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from typing import Final

import pytest
from tlslite import constants

from audit.observation.tls_registry import (
    ALERTS,
    GROUPS,
    SIGNATURE_SCHEMES,
    group_name,
    suite_name,
    suites,
    version_name,
)

_OPENSSL: Final = re.compile(r"Kx=(?P<exchange>\S+)\s+Au=(?P<key>\S+)")
_EXCHANGES: Final = {
    "any": "", "ECDH": "ECDHE", "DH": "DHE", "RSA": "RSA", "PSK": "PSK", "SRP": "SRP_SHA",
    "ECDHEPSK": "ECDHE_PSK", "DHEPSK": "DHE_PSK", "RSAPSK": "RSA_PSK",
}  # fmt: skip


def openssl_suites() -> dict[int, Mapping[str, str]]:
    """Return key exchange and authentication of the suites of OpenSSL by number."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return {
        cipher["id"] & 0xFFFF: found.groupdict()
        for cipher in context.get_ciphers()
        if (found := _OPENSSL.search(cipher["description"]))
    }


def test_key_exchange_and_key_of_a_suite_are_those_of_openssl() -> None:
    theirs = openssl_suites()
    assert len(theirs) > 100
    for number, parts in theirs.items():
        ours = suites()[number]
        is_anonymous = parts["key"] == "None" and parts["exchange"] in ("ECDH", "DH")
        exchange = ours.exchange.replace("DH", "DHE") if is_anonymous and ours.exchange == "DH" else ours.exchange
        exchange = exchange.replace("ECDH", "ECDHE") if exchange == "ECDH" else exchange
        assert exchange == _EXCHANGES[parts["exchange"]], ours
        assert (ours.key == "anon") == is_anonymous, ours
        assert ours.is_tls13 or parts["key"] not in ("RSA", "ECDSA", "DSS") or ours.key == parts["key"], ours


def test_suites_have_the_names_of_another_implementation() -> None:
    theirs = {
        number: name.replace("ANON", "anon")
        for number, name in constants.CipherSuite.ietfNames.items()
        if number in suites()
    }
    assert len(theirs) > 90
    assert {number: suite_name(number) for number in theirs} == theirs


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (GROUPS, constants.GroupName),
        (SIGNATURE_SCHEMES, constants.SignatureScheme),
        (ALERTS, constants.AlertDescription),
    ],
)
def test_numbers_of_another_implementation_have_its_names(ours: Mapping[int, str], theirs: object) -> None:
    known = [
        (value if isinstance(value, int) else value[0] << 8 | value[1], name)
        for name, value in vars(theirs).items()
        if isinstance(value, (int, tuple)) and value and not name.startswith("_")
    ]
    shared = [(number, name) for number, name in known if number in ours]
    assert len(shared) > 15
    assert [name for number, name in shared if _plain(ours[number]) != _plain(name)] == []


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("pssrsae", "pss")


@pytest.mark.parametrize(("name_of", "number"), [(suite_name, 0xFEFD), (group_name, 0x1A1A), (version_name, 0x7F1C)])
def test_unknown_number_is_its_own_name(name_of: Callable[[int], str], number: int) -> None:
    assert name_of(number) == f"0x{number:04X}"


def test_every_suite_is_listed_once_in_the_order_of_numbers() -> None:
    listed = list(suites())
    assert listed == sorted(set(listed))
    assert len({suite.name for suite in suites().values()}) == len(listed) == 366


@pytest.mark.parametrize(
    ("name", "exchange", "key", "cipher", "is_export", "is_cbc"),
    [
        ("TLS_AES_128_GCM_SHA256", "", "", "AES_128_GCM_SHA256", False, False),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE", "ECDSA", "AES_128_CBC_SHA", False, True),
        ("TLS_RSA_EXPORT_WITH_RC4_40_MD5", "RSA", "RSA", "RC4_40_MD5", True, False),
        ("TLS_DH_anon_WITH_RC4_128_MD5", "DH", "anon", "RC4_128_MD5", False, False),
        ("TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA", "DHE", "DSS", "3DES_EDE_CBC_SHA", False, True),
        ("TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ECDHE_PSK", "", "CHACHA20_POLY1305_SHA256", False, False),
        ("TLS_RSA_PSK_WITH_NULL_SHA", "RSA_PSK", "RSA", "NULL_SHA", False, False),
    ],
)
def test_name_of_a_suite_says_its_parts(
    name: str, exchange: str, key: str, cipher: str, *, is_export: bool, is_cbc: bool
) -> None:
    suite = next(suite for suite in suites().values() if suite.name == name)
    assert (suite.exchange, suite.key, suite.cipher) == (exchange, key, cipher)
    assert (suite.is_export, suite.is_cbc) == (is_export, is_cbc)
