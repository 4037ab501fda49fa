"""Tests of the lint rules: certificates that keep each rule, break it, or are older than it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from audit.x509.certificate import read_certificate
from audit.x509.lint import LintRule, authority, day, extended_key_usage, is_of_ca, lint, profile, revocation
from audit.x509.lint import names as rules_names
from audit.x509.raw import ACCESS, POISON, SCTS, Extension, RawCertificate
from audit.x509.transparency.requirements import embedded_required
from audit.x509.transparency.sct import SctOrigin, read_scts
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, ROOT
from tests.support.x509.certificates import DAY, NOW, Draft, key_named
from tests.support.x509.paths import tlv

ALL = (
    *rules_names.NAME_RULES,
    *profile.PROFILE_RULES,
    *revocation.REVOCATION,
    *extended_key_usage.CLIENT_AUTH_RULES,
)
RFC2459, BASELINE, SC47 = day(1999, 1, 1), day(2012, 7, 1), day(2021, 8, 25)
RFC3280, RFC5280, PERSONS, SC62 = day(2002, 4, 1), day(2008, 5, 1), day(2016, 9, 7), day(2023, 9, 15)
SOURCES = {
    "internal": ("BR 4.2.2", BASELINE, None),
    "bare-suffix": ("BR 7.1.2.7.12", BASELINE, None),
    "character": ("BR 7.1.2.7.12", BASELINE, None),
    "reserved-address": ("BR 4.2.2", BASELINE, None),
    "reverse-zone": ("BR 7.1.2.7.12", day(2026, 3, 15), None),
    "common-name": ("BR 7.1.4.3", BASELINE, SC47),
    "common-name-copy": ("BR 7.1.4.3", SC47, None),
    "serial-octets": ("RFC 5280 4.1.2.2", RFC2459, None),
    "serial-positive": ("RFC 5280 4.1.2.2", RFC2459, None),
    "key-cert-sign": ("BR 7.1.2.7.11", BASELINE, None),
    "crl-sign": ("BR 7.1.2.7.11", BASELINE, None),
    "ca": ("BR 7.1.2.7.8", BASELINE, None),
    "policies": ("BR 7.1.2.7.9", BASELINE, None),
    "access": ("BR 7.1.2.7.7", BASELINE, None),
    "authority-key": ("RFC 5280 4.2.1.1", RFC2459, None),
    "unique-id": ("RFC 5280 4.1.2.8", RFC2459, None),
    "empty-sequence": ("RFC 5280 4.2.1", RFC2459, None),
    "pss": ("BR 7.1.3.2.1", day(2020, 1, 1), None),
    "repeated": ("RFC 5280 4.2", RFC2459, None),
    "reserved-common-name": ("BR 4.2.2", BASELINE, None),
    "issuer-name": ("RFC 5280 4.1.2.4", RFC2459, None),
    "subject-name": ("RFC 5280 4.1.2.6", RFC2459, None),
    "country": ("BR 7.1.2.7.4", PERSONS, None),
    "place": ("BR 7.1.2.7.4", PERSONS, None),
    "place-alone": ("BR 7.1.2.7.2", PERSONS, None),
    "organization": ("BR 7.1.2.7.4", BASELINE, None),
    "person-policy": ("BR 7.1.2.7.3", PERSONS, None),
    "domain-alone": ("BR 7.1.2.7.2", SC62, None),
    "unit": ("BR 7.1.2.7.4", day(2022, 9, 1), None),
    "attribute-order": ("BR 7.1.4.2", SC62, None),
    "attribute-repeated": ("BR 7.1.4.1", SC62, None),
    "attribute-encoding": ("BR 7.1.4.2", SC62, None),
    "printable": ("RFC 5280 4.1.2.4", RFC2459, None),
    "control": ("BR 7.1.4.4", BASELINE, None),
    "place-form": ("BR 3.2.2.1", BASELINE, None),
    "says-nothing": ("BR 7.1.4.4", BASELINE, None),
    "country-code": ("BR 7.1.4.2", BASELINE, None),
    "algorithm-null": ("RFC 4055 5", RFC5280, None),
    "usage-encoding": ("RFC 5280 4.2.1.3", RFC2459, None),
    "usage-of-rsa": ("RFC 3279 2.3.1", day(2002, 4, 1), None),
    "usage-purpose": ("RFC 5280 4.2.1.12", RFC5280, None),
    "usage-empty": ("RFC 5280 4.2.1.3", RFC5280, None),
    "ocsp-url": ("BR 7.1.2.7.7", BASELINE, SC62),
    "access-form": ("BR 7.1.2.7.7", SC62, None),
    "crl-url": ("BR 7.1.2.11.2", BASELINE, None),
    "crl-form": ("BR 7.1.2.11.2", SC62, None),
    "name-kind": ("BR 7.1.2.7.12", BASELINE, None),
    "policy-repeated": ("RFC 5280 4.2.1.4", RFC5280, None),
    "constraints-of-leaf": ("RFC 5280 4.2.1.10", RFC5280, None),
    "name-ia5": ("RFC 5280 4.2.1.6", RFC5280, None),
    "name-empty": ("RFC 5280 4.2.1.6", RFC5280, None),
    "uri-form": ("RFC 5280 4.2.1.6", RFC5280, None),
    "uri-host": ("RFC 5280 4.2.1.6", RFC5280, None),
    "name-critical": ("RFC 5280 4.2.1.6", RFC5280, None),
    "constraints-critical": ("RFC 5280 4.2.1.10", RFC5280, None),
    "inhibit-critical": ("RFC 5280 4.2.1.14", RFC5280, None),
    "authority-key-critical": ("RFC 5280 4.2.1.1", RFC5280, None),
    "subject-key-critical": ("RFC 5280 4.2.1.2", RFC5280, None),
    "access-critical": ("RFC 5280 4.2.2.1", RFC5280, None),
    "policy-constraints-critical": ("RFC 5280 4.2.1.11", RFC5280, None),
    "directory-critical": ("RFC 5280 4.2.1.8", RFC5280, None),
    "freshest-crl-critical": ("RFC 5280 4.2.1.15", RFC5280, None),
    "ca-subject": ("RFC 5280 4.1.2.6", RFC2459, None),
    "ca-country": ("BR 7.1.2.10.2", BASELINE, None),
    "ca-organization": ("BR 7.1.2.10.2", BASELINE, None),
    "ca-name": ("BR 7.1.2.10.2", day(2017, 6, 8), None),
    "ca-unit": ("BR 7.1.2.10.2", SC62, None),
    "ca-usage": ("RFC 5280 4.2.1.3", RFC3280, None),
    "ca-usage-critical": ("BR 7.1.2.10.7", BASELINE, None),
    "ca-cert-sign": ("BR 7.1.2.10.7", BASELINE, None),
    "ca-crl-sign": ("BR 7.1.2.10.7", BASELINE, None),
    "ca-usage-of-rsa": ("RFC 3279 2.3.1", RFC3280, None),
    "ca-encipherment": ("RFC 3279 2.3.1", RFC3280, None),
    "ca-key-id": ("RFC 5280 4.2.1.2", RFC2459, None),
    "ca-constraints-critical": ("RFC 5280 4.2.1.9", RFC2459, None),
    "ca-policies": ("BR 7.1.2.10.5", BASELINE, None),
    "ca-policy-kind": ("BR 7.1.2.10.5", SC62, None),
    "ca-access": ("BR 7.1.2.10.3", BASELINE, day(2020, 8, 20)),
    "ca-access-form": ("BR 7.1.2.10.3", SC62, None),
    "ca-crl": ("BR 7.1.2.11.2", BASELINE, None),
    "ca-crl-critical": ("BR 7.1.2.11.2", BASELINE, None),
    "ca-purposes": ("BR 7.1.2.10.6", SC62, None),
    "revocation": ("BR 7.1.2.11.2", day(2024, 3, 15), None),
    "clients": ("Chrome Root Program 1.3.2", day(2027, 3, 15), None),
}
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
OCSP = AuthorityInformationAccessOID.OCSP

POLICY = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.1"), None)])
PLACES = x509.AuthorityInformationAccess(
    [x509.AccessDescription(OCSP, x509.UniformResourceIdentifier("http://ocsp.example.com"))]
)
CRL = x509.CRLDistributionPoints(
    [x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.example.com/1")], None, None, None)]
)


def timestamps(*logs: int) -> x509.UnrecognizedExtension:
    """Return the extension with one timestamp of each of these logs, with the parts that the rules read."""
    parts = [b"\0" + bytes([log]) * 32 + b"\0" * 14 for log in logs]
    listed = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    octets = len(listed).to_bytes(2, "big") + listed
    size = bytes([len(octets)]) if len(octets) < 128 else b"\x81" + bytes([len(octets)])
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(SCTS), b"\x04" + size + octets)


SOUND = replace(GOOD, extra=(POLICY, PLACES, timestamps(1, 2)))


def outline(draft: Draft = SOUND) -> RawCertificate:
    """Return the parsed fields of a draft."""
    return read_certificate(draft.der).raw


def broken(draft: Draft, *, as_leaf: bool = True) -> set[str]:
    """Return the ids of the rules that a draft breaks."""
    seen = lint(draft.der, ALL, as_leaf=as_leaf)
    assert not seen.unread
    return {violation.rule for violation in seen.violations}


def of_any(ca: Draft) -> set[str]:
    """Return the ids of the rules for servers and CAs that the certificate of a CA breaks."""
    return broken(ca, as_leaf=False) - {rule.id for rule in authority.AUTHORITY_RULES}


def usage(*, signs_certificates: bool = False, signs_crls: bool = False) -> x509.KeyUsage:
    """Return a key usage."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_crls,
        encipher_only=False,
        decipher_only=False,
    )


def test_parsed_certificate_has_the_fields_of_its_draft() -> None:
    seen = outline(SOUND.named("www.example.com", "2001:db8::1"))
    assert seen.dns_names == ("www.example.com",)
    assert list(map(str, seen.addresses)) == ["2001:db8::1"]
    assert seen.common_names == ("www.example.com",)
    assert (seen.not_before, seen.lifetime) == (NOW - 20 * DAY, 90 * DAY)
    assert seen.not_after == seen.not_before + 90 * DAY - timedelta(seconds=1)
    assert seen.policies == ("2.23.140.1.2.1",)
    assert seen.ocsp_urls == ("http://ocsp.example.com",)
    assert len(read_scts(seen.sct_list, SctOrigin.CERTIFICATE).scts) == 2
    assert seen.authority_key_id
    assert not seen.is_ca


def test_good_leaf_breaks_no_rule() -> None:
    assert broken(SOUND) == set()


def test_rules_for_leaves_do_not_apply_to_a_ca() -> None:
    assert is_of_ca(outline(INTERMEDIATE))
    assert not is_of_ca(outline())
    assert of_any(INTERMEDIATE) == set()


def test_root_needs_no_authority_key_identifier() -> None:
    assert of_any(ROOT.without_key_ids()) == set()


def test_ca_with_the_name_of_its_issuer_needs_its_key_identifier() -> None:
    other_key = replace(ROOT, issuer=ROOT, key=key_named("another")).without_key_ids()
    assert of_any(other_key) == {"authority-key"}


@pytest.mark.parametrize(
    ("draft", "rule"),
    [
        (replace(SOUND, subject="CN=other.example.com"), "common-name-copy"),
        (replace(SOUND, subject="CN=WWW.example.com"), "common-name-copy"),
        (replace(SOUND, extra=(PLACES, timestamps(1, 2))), "policies"),
        (replace(SOUND, extra=(POLICY, CRL, timestamps(1, 2))), "access"),
        (SOUND.without_key_ids(), "authority-key"),
        (replace(SOUND, extra=(*SOUND.extra, usage(signs_certificates=True))), "key-cert-sign"),
        (replace(SOUND, extra=(*SOUND.extra, usage(signs_crls=True))), "crl-sign"),
        (SOUND.named("www.example.com", "host.corp"), "internal"),
        (SOUND.named("www.example.com", "10.0.0.1"), "reserved-address"),
        (SOUND.named("www.example.com", "a b.example.com"), "character"),
        (SOUND.named("www.example.com", "a..example.com"), "character"),
        (SOUND.named("www.example.com", "w*.example.com"), "character"),
        (SOUND.named("www.example.com", "com"), "bare-suffix"),
        (SOUND.named("www.example.com", "1.2.0.192.in-addr.arpa"), "reverse-zone"),
    ],
)
def test_single_fault_breaks_one_rule(draft: Draft, rule: str) -> None:
    assert broken(draft) == {rule}


@pytest.mark.parametrize(
    ("name", "presented", "is_presented"),
    [
        ("WWW.Example.com", "www.example.com", True),
        ("other.example.com", "www.example.com", False),
        ("2600:0::1", "2600::1", True),
        ("2600::2", "2600::1", False),
    ],
)
def test_common_name_could_be_in_another_form_until_2021(name: str, presented: str, *, is_presented: bool) -> None:
    draft = replace(SOUND.named(presented), subject=f"CN={name}").starting(SC47 - DAY)
    assert broken(draft) == (set() if is_presented else {"common-name"})
    assert broken(draft.starting(SC47)) == {"common-name-copy"}


def test_name_with_a_trailing_dot_breaks_the_rules_of_names() -> None:
    assert broken(SOUND.named("www.example.com", "www.example.com.")) == {"internal", "character"}


def test_ca_certificate_as_leaf_breaks_the_ca_rule() -> None:
    assert "ca" in broken(replace(SOUND, is_ca=True))


@pytest.mark.parametrize(
    "names", [("*.example.com",), ("xn--bcher-kva.example.com",), ("a_b.example.com",), ("8.8.8.8",)]
)
def test_wildcard_a_label_underscore_and_public_address_are_accepted(names: tuple[str, ...]) -> None:
    draft = SOUND.named(*names)
    assert broken(replace(draft, subject=f"CN={names[0]}")) == set()


@pytest.mark.parametrize("address", ["192.88.99.1", "224.0.0.1", "::", "2002::1", "fe80::1", "ff02::1", "2001:db8::1"])
def test_special_purpose_address_is_reserved(address: str) -> None:
    assert broken(SOUND.named("www.example.com", address)) == {"reserved-address"}


@pytest.mark.parametrize("address", ["8.8.8.8", "192.0.1.1", "2600::1"])
def test_other_address_is_public(address: str) -> None:
    assert broken(SOUND.named("www.example.com", address)) == set()


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("serial-octets", lambda reading: replace(reading, serial=b"\x01" * 21)),
        ("serial-positive", lambda reading: replace(reading, serial=b"\x00")),
        ("serial-positive", lambda reading: replace(reading, serial=b"\x80")),
        ("unique-id", lambda reading: replace(reading, has_unique_id=True)),
        ("pss", lambda reading: replace(reading, outer_algorithm=bytes.fromhex("300d06092a864886f70d01010a3000"))),
        ("repeated", lambda reading: replace(reading, repeated=("2.5.29.14",))),
        ("empty-sequence", lambda reading: _with(reading, ACCESS, b"\x30\x00")),
    ],
)
def test_certificate_that_the_library_cannot_create_is_linted(
    rule: str, change: Callable[[RawCertificate], RawCertificate]
) -> None:
    judge = next(lint_rule.judge for lint_rule in profile.PROFILE_RULES if lint_rule.id == rule)
    assert judge(outline()) is None
    assert judge(change(outline()))


def test_pss_parameters_that_clients_support_are_accepted() -> None:
    known = (
        "06092a864886f70d01010a3034a00f300d06096086480165030402010500"
        "a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"
    )
    assert profile.pss_parameters(replace(outline(), outer_algorithm=tlv(0x30, bytes.fromhex(known)))) is None


def _with(reading: RawCertificate, oid: str, value: bytes) -> RawCertificate:
    return replace(reading, extensions={**reading.extensions, oid: Extension(critical=False, value=value)})


@pytest.mark.parametrize(
    ("start", "life", "required"),
    [
        (NOW, 180 * DAY, 2),
        (NOW, 180 * DAY + timedelta(seconds=1), 3),
        (datetime.fromisoformat("2020-01-01T00:00Z"), 400 * DAY, 2),
        (datetime.fromisoformat("2020-01-01T00:00Z"), 500 * DAY, 3),
        (day(2019, 1, 31), day(2020, 5, 1) - day(2019, 1, 31), 2),  # 15 months later there is no 31st
        (day(2019, 1, 31), day(2020, 5, 1) - day(2019, 1, 31) + timedelta(seconds=1), 3),
        (datetime.fromisoformat("2018-10-14T00:00Z"), 500 * DAY, None),  # no rule was in force
    ],
)
def test_required_scts_depend_on_issue_and_validity(start: datetime, life: timedelta, required: int | None) -> None:
    assert embedded_required(outline(SOUND.starting(start).lasting(life))) == required


def test_precertificate_needs_no_scts() -> None:
    assert embedded_required(_with(outline(), POISON, b"\x05\x00")) is None


@pytest.mark.parametrize(
    ("start", "life", "extra", "lacks"),
    [
        (NOW, 90 * DAY, (), True),
        (NOW, 90 * DAY, (CRL,), False),
        (NOW, 90 * DAY, (PLACES,), False),
        (NOW, 7 * DAY, (), False),
        (NOW, 7 * DAY + timedelta(seconds=1), (), True),
        (day(2026, 3, 14), 10 * DAY, (), False),
        (day(2026, 3, 15), 9 * DAY, (), True),  # the first instant of the shorter limit
        (day(2024, 3, 14), 90 * DAY, (), False),  # the rule was not in force
    ],
)
def test_certificate_of_more_than_seven_days_needs_revocation_source(
    start: datetime, life: timedelta, extra: tuple[x509.ExtensionType, ...], *, lacks: bool
) -> None:
    draft = replace(GOOD, extra=extra).starting(start).lasting(life)
    assert ("revocation" in broken(draft)) is lacks


def test_client_authentication_is_found_from_its_effective_date() -> None:
    both = SOUND.used_for(SERVER, CLIENT)
    assert "clients" not in broken(both.starting(day(2027, 3, 14)))
    assert "clients" in broken(both.starting(day(2027, 3, 15)))
    assert "clients" not in broken(SOUND.starting(day(2027, 3, 15)))


def test_rule_applies_from_its_date_until_its_end() -> None:
    rule = LintRule("a", "b.c", "BR", "1", day(2020, 1, 1), lambda reading: "broken", until=day(2021, 1, 1))  # noqa: ARG005
    violations = [bool(lint(GOOD.starting(start).der, (rule,)).violations)
                for start in (day(2019, 12, 31), day(2020, 1, 1), day(2020, 12, 31), day(2021, 1, 1))]  # fmt: skip
    assert violations == [False, True, True, False]


def test_each_rule_has_its_book_clause_and_dates() -> None:
    assert {rule.id: (rule.source, rule.since, rule.until) for rule in ALL} == SOURCES


def test_violation_names_its_clause() -> None:
    (violation,) = lint(SOUND.without_key_ids().der, ALL).violations
    assert str(violation) == "the authorityKeyIdentifier is missing (RFC 5280 4.2.1.1)"


def test_unreadable_extension_hides_no_other_violation() -> None:
    bad_policies = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), b"\x02\x01\x01")
    seen = lint(replace(SOUND, extra=(bad_policies, PLACES), subject="CN=other.example.com").der, ALL)
    assert {violation.rule for violation in seen.violations} == {"common-name-copy"}
    assert any("2.5.29.32" in clause for clause in seen.unread)
