"""Tests of TLSA records: which of them a case has, and which record the new key needs."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from remediate.model.case import Case, Repair
from remediate.planning import tlsa
from tests.support.store.order_requests import csr

CSR = csr().pem
SPKI = x509.load_pem_x509_csr(CSR.encode()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
DIGEST = hashlib.sha256(SPKI).hexdigest()


def case(names: tuple[str, ...], endpoints: tuple[str, ...]) -> Case:
    return Case("c", "web1", "ssh://web1", Repair.REISSUE, names, ("nginx",), endpoints, (), (), ())


def test_each_name_is_queried_at_each_port() -> None:
    asked = tlsa.questions(
        case(
            ("www.example.com", "*.shop.example.com"),
            ("web1/https://www.example.com:443", "web1/smtp://mx.example.com:25"),
        )
    )
    assert asked == tuple(
        f"_{port}._tcp.{name}"
        for name in ("mx.example.com", "shop.example.com", "www.example.com")
        for port in (25, 443)
    )


def test_addresses_and_single_labels_have_no_records() -> None:
    names = ("192.0.2.7", "2001:db8::1", "localhost", "www.example.com")
    endpoints = ("web1/https://[2001:db8::1]:443", "web1/https://www.example.com:8443+192.0.2.7")
    asked = tlsa.questions(case(names, endpoints))
    assert asked == ("_443._tcp.www.example.com", "_8443._tcp.www.example.com")


def test_mail_servers_are_read_and_a_null_mx_names_none() -> None:
    assert tlsa.mail_servers(("10 MX1.example.com.", "20 mx2.example.com.")) == ("mx1.example.com", "mx2.example.com")
    assert tlsa.mail_servers(("0 .",)) == ()


def test_record_of_a_key_is_the_digest_of_its_spki() -> None:
    assert tlsa.record_of("_25._tcp.mx.example.com", CSR) == f"_25._tcp.mx.example.com. IN TLSA 3 1 1 {DIGEST}"


@pytest.mark.parametrize(
    "record",
    [f"3 1 1 {DIGEST}", f"1 1 1 {DIGEST.upper()}", f"3 1 2 {hashlib.sha512(SPKI).hexdigest()}", f"3 1 0 {SPKI.hex()}",
     f"3 1 1 {DIGEST[:32]} {DIGEST[32:]}"],
    ids=("lower case", "upper case", "sha512", "whole key", "two words"),
)  # fmt: skip
def test_record_of_an_end_entitys_key_matches(record: str) -> None:
    assert tlsa.is_matched(("3 1 1 00", record), CSR)


@pytest.mark.parametrize(
    "record",
    [f"2 1 1 {DIGEST}", f"0 1 1 {DIGEST}", f"3 0 1 {DIGEST}", f"3 1 2 {DIGEST}", "3 1 1 " + "0" * 64, f"x 1 1 {DIGEST}",
     f"3 1 9 {DIGEST}"],
    ids=("trust anchor", "PKIX trust anchor", "certificate", "sha512 of it", "other key", "odd usage", "odd digest"),
)  # fmt: skip
def test_record_of_a_ca_a_certificate_or_another_key_does_not_match(record: str) -> None:
    assert not tlsa.is_matched((record,), CSR)
