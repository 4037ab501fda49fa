"""Tests of the rules for the names in a certificate: a certificate that keeps each rule, and one that breaks it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from cryptography import x509

from audit.x509.der import Element, elements, encode_oid
from audit.x509.lint import day, names, subject
from audit.x509.raw import RawCertificate
from tests.support.x509.certificates import DAY, Draft
from tests.support.x509.paths import tlv
from tests.unit.audit.x509.test_lint_rules import PLACES, SOUND, broken, outline, timestamps

OV, PROFILES = "2.23.140.1.2.2", day(2023, 9, 15)
PRINTABLE, TELETEX = 0x13, 0x14
COUNTRY, COMMON_NAME, SERIAL = "2.5.4.6", "2.5.4.3", "2.5.4.5"
RULES = {rule.id: rule.judge for rule in (*subject.SUBJECT_RULES, *names.NAME_RULES)}


def about(written: str, policy: str = OV) -> Draft:
    """Return a good certificate with a subject, its last attribute first, and a policy."""
    policies = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(policy), None)])
    return replace(SOUND, subject=written, extra=(policies, PLACES, timestamps(1, 2)))


def name_of(*attributes: tuple[str, int, bytes]) -> Element:
    """Return a name of attributes in string types of any kind."""
    parts = (tlv(0x31, tlv(0x30, encode_oid(oid), tlv(tag, text))) for oid, tag, text in attributes)
    return elements(tlv(0x30, *parts))[0]


@pytest.mark.parametrize(
    "draft",
    [
        about("CN=www.example.com,O=Example,L=Berlin,C=DE"),
        about("CN=www.example.com,O=Example,ST=Berlin,C=DE"),
        about("CN=www.example.com,O=Example,STREET=B,STREET=A,2.5.4.17=10115,L=Berlin,C=XX"),
        about("CN=www.example.com,2.5.4.42=Ada,2.5.4.4=Lovelace,L=London,C=GB", "2.23.140.1.2.3"),
        about("CN=www.example.com,C=DE", "2.23.140.1.2.1"),
        about("CN=www.example.com", "2.23.140.1.2.1"),
        about("CN=www.example.com,O=Köln & Söhne,L=Köln,C=DE"),
        about("CN=www.example.com,O=B-1,L=St. John's,C=CA"),
    ],
)
def test_subject_of_each_policy_breaks_no_rule(draft: Draft) -> None:
    assert broken(draft) == set()


@pytest.mark.parametrize(
    ("written", "rules"),
    [
        ("CN=www.example.com,O=Example,L=Berlin", {"country"}),
        ("CN=www.example.com,O=Example,C=DE", {"place"}),
        ("CN=www.example.com,L=Berlin,C=DE", {"organization", "place-alone"}),
        ("CN=www.example.com,2.5.4.42=Ada,2.5.4.4=Lovelace,O=Example,L=London,C=GB", {"person-policy"}),
        ("CN=www.example.com,OU=Web,O=Example,L=Berlin,C=DE", {"unit"}),
        ("C=DE,L=Berlin,O=Example,CN=www.example.com", {"attribute-order"}),
        ("CN=www.example.com,O=Example,O=Other,L=Berlin,C=DE", {"attribute-repeated"}),
        ("CN=www.example.com,O=Example,L=Berlin,C=UK", {"country-code"}),
        ("CN=www.example.com,O=Example,L=Berlin,C=de", {"country-code"}),
        ("CN=www.example.com,O=Exa\\07mple,L=Berlin,C=DE", {"control"}),
        ("CN=www.example.com,O=Example,L=Berlin: Mitte,C=DE", {"place-form"}),
        ('CN=www.example.com,O=Example,L=Berlin,ST=\\"BE\\",C=DE', {"place-form"}),
        ("CN=www.example.com,O=Example,L=-,C=DE", {"says-nothing"}),
        ("CN=www.example.com,O=Example,L=.,C=DE", {"says-nothing"}),
    ],
)
def test_fault_of_the_subject_breaks_its_rules(written: str, rules: set[str]) -> None:
    assert broken(about(written)) == rules


@pytest.mark.parametrize(
    ("written", "rules"),
    [
        ("CN=www.example.com,O=Example,L=Berlin,C=DE", {"domain-alone"}),
        ("CN=www.example.com,L=Berlin,C=DE", {"domain-alone", "place-alone"}),
    ],
)
def test_domain_validated_subject_has_only_country_and_common_name(written: str, rules: set[str]) -> None:
    assert broken(about(written, "2.23.140.1.2.1")) == rules


@pytest.mark.parametrize(
    ("written", "rule", "since"),
    [
        ("CN=www.example.com,OU=Web,O=Example,L=Berlin,C=DE", "unit", day(2022, 9, 1)),
        ("C=DE,L=Berlin,O=Example,CN=www.example.com", "attribute-order", PROFILES),
        ("CN=www.example.com,O=Example,O=Other,L=Berlin,C=DE", "attribute-repeated", PROFILES),
    ],
)
def test_rule_of_the_subject_does_not_apply_before_its_date(written: str, rule: str, since: datetime) -> None:
    assert rule not in broken(about(written).starting(since - DAY))
    assert broken(about(written).starting(since)) == {rule}


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("issuer-name", {"issuer": name_of()}),
        ("subject-name", {"subject": name_of(), "extensions": {}}),
        ("attribute-encoding", {"subject": name_of((COMMON_NAME, TELETEX, b"www.example.com"))}),
        ("attribute-encoding", {"subject": name_of((COUNTRY, 0x0C, b"DE"))}),
        ("attribute-encoding", {"subject": name_of((SERIAL, 0x0C, b"HRB 1"))}),
        ("printable", {"subject": name_of((COMMON_NAME, PRINTABLE, b"a@example.com"))}),
        ("printable", {"subject": name_of((COUNTRY, PRINTABLE, b""))}),
        ("reserved-common-name", {"subject": name_of((COMMON_NAME, PRINTABLE, b"10.0.0.1"))}),
    ],
)
def test_name_that_the_library_cannot_create_is_linted(rule: str, change: dict[str, object]) -> None:
    reading: RawCertificate = outline()
    assert RULES[rule](reading) is None
    assert RULES[rule](replace(reading, **change))  # type: ignore[arg-type]  # any field


def test_name_in_the_right_string_types_breaks_no_rule() -> None:
    allowed = name_of(
        (COUNTRY, PRINTABLE, b"DE"), (COMMON_NAME, PRINTABLE, b"www.example.com"), ("1.2.3", TELETEX, b"a")
    )
    assert [rule for rule, judge in RULES.items() if judge(replace(outline(), subject=allowed))] == ["domain-alone"]


def test_empty_subject_with_a_subject_alternative_name_is_accepted() -> None:
    assert RULES["subject-name"](replace(outline(), subject=name_of())) is None


def test_message_names_the_attributes() -> None:
    reading = outline(about("CN=www.example.com,OU=Web,STREET=-,L=Berlin,C=DE"))
    assert RULES["place-alone"](reading) == (
        "its subject has localityName, streetAddress, without organizationName, givenName or surname"
    )
    assert RULES["says-nothing"](reading) == "streetAddress of its subject consists of punctuation"
