"""Tests of the rules for single extensions: a certificate that keeps each rule, and one that breaks it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from audit.x509.der import encode_oid
from audit.x509.lint import day, extensions
from audit.x509.raw import ACCESS, AUTHORITY_KEY, KEY_USAGE, SAN, Extension, RawCertificate
from tests.support.x509.certificates import DAY, Draft, rsa_key
from tests.support.x509.crls import pointing
from tests.support.x509.paths import constraints, directory, san, tlv, usage
from tests.unit.audit.x509.test_lint_rules import CRL, PLACES, POLICY, SOUND, broken, outline, timestamps

PROFILES = day(2023, 9, 15)
RULES = {rule.id: rule.judge for rule in extensions.EXTENSION_RULES}
URI, OCSP, ISSUERS = (
    x509.UniformResourceIdentifier,
    AuthorityInformationAccessOID.OCSP,
    AuthorityInformationAccessOID.CA_ISSUERS,
)


def having(*added: x509.ExtensionType, without: x509.ExtensionType | None = None) -> Draft:
    """Return the good certificate with more extensions, and without one of its own."""
    return replace(SOUND, extra=(*(own for own in SOUND.extra if own is not without), *added))


def presenting(*names: str | x509.GeneralName) -> Draft:
    """Return the good certificate with other names beside its own."""
    return having(san("www.example.com", *names)).named()


def accessible(*places: tuple[x509.ObjectIdentifier, x509.GeneralName]) -> Draft:
    """Return the good certificate with other places in authorityInfoAccess, and with a CRL."""
    access = x509.AuthorityInformationAccess([x509.AccessDescription(*place) for place in places])
    return having(access, CRL, without=PLACES)


def with_extension(oid: str, value: bytes, *, critical: bool = False) -> RawCertificate:
    """Return the good certificate with an extension of any content."""
    reading = outline()
    return replace(reading, extensions={**reading.extensions, oid: Extension(critical=critical, value=value)})


@pytest.mark.parametrize(
    "draft",
    [
        having(usage("digital_signature")),
        having(usage("digital_signature", "key_agreement")),
        having(usage("digital_signature", "key_encipherment")).with_key(rsa_key(2048)),
        having(pointing("http://ca.example.com/1.crl", "http://ca.example.com/2.crl")),
        having(pointing("http://ca.example.com/1.crl", "ldap://ca.example.com/1")).starting(PROFILES - DAY),
        presenting("8.8.8.8", "*.example.com"),
        accessible((OCSP, URI("http://ocsp.example.com/")), (ISSUERS, URI("http://ca.example.com/ca.cer"))),
        having(x509.IssuerAlternativeName([URI("https://ca.example.com:8443/a%20b?c#d"), URI("urn:example:a")])),
        having(x509.IssuerAlternativeName([URI("http://user@[2600::1]:80/"), URI("ldap://192.0.2.1")])),
    ],
)
def test_sound_extension_breaks_no_rule(draft: Draft) -> None:
    assert broken(draft) == set()


@pytest.mark.parametrize(
    ("draft", "rules"),
    [
        (having(usage("digital_signature", "key_agreement")).with_key(rsa_key(2048)), {"usage-of-rsa"}),
        (having(usage("digital_signature", "content_commitment")), {"usage-purpose"}),
        (having(usage("data_encipherment")).with_key(rsa_key(2048)), {"usage-purpose"}),
        (having(pointing("ldap://ca.example.com/1")), {"crl-url", "crl-form"}),
        (having(pointing("http://ca.example.com/1.crl", "ldap://ca.example.com/1")), {"crl-form"}),
        (having(pointing("https://ca.example.com/1.crl")), {"crl-url", "crl-form"}),
        (having(x509.CertificatePolicies([*POLICY, *POLICY]), without=POLICY), {"policy-repeated"}),
        (having(constraints(["example.com"])), {"constraints-of-leaf", "constraints-critical"}),
        (having(x509.InhibitAnyPolicy(0)), {"inhibit-critical"}),
        (having(x509.PolicyConstraints(0, None)), {"policy-constraints-critical"}),
        (presenting(URI("http://www.example.com/home")), {"name-kind"}),
        (presenting(URI("/home")), {"name-kind", "uri-form"}),
        (presenting(URI("http:")), {"name-kind", "uri-form"}),
        (presenting(URI("http://www.example.com/a b")), {"name-kind", "uri-form"}),
        (presenting(URI("http://localhost/")), {"name-kind", "uri-host"}),
        (presenting(URI("file:///home")), {"name-kind", "uri-host"}),
        (presenting(x509.RFC822Name("root@example.com")), {"name-kind"}),
        (presenting(directory("O=Example")), {"name-kind"}),
        (presenting(x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))), {"name-kind"}),
        (presenting(x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")), {"name-kind"}),
        (having(x509.IssuerAlternativeName([URI("home")])), {"uri-form"}),
        (having(x509.IssuerAlternativeName([URI("http://ca/")])), {"uri-host"}),
        (accessible((OCSP, URI("https://ocsp.example.com/"))), {"access-form"}),
        (accessible((ISSUERS, directory("O=Example"))), {"access-form"}),
        (accessible((x509.ObjectIdentifier("1.2.3"), URI("http://ca.example.com/"))), {"access-form"}),
    ],
)
def test_fault_of_an_extension_breaks_its_rules(draft: Draft, rules: set[str]) -> None:
    assert broken(draft) == rules


def test_ocsp_url_was_required_until_the_profiles_of_2023() -> None:
    silent = accessible((ISSUERS, URI("http://ca.example.com/ca.cer")))
    assert broken(silent.starting(PROFILES - DAY)) == {"ocsp-url"}
    assert broken(SOUND.starting(PROFILES - DAY)) == set()
    assert broken(silent.starting(PROFILES)) == set()


def test_key_usage_of_another_purpose_is_not_judged() -> None:
    unknown = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.4")
    draft = having(usage("digital_signature", "content_commitment"))
    assert "usage-purpose" not in broken(draft.used_for(ExtendedKeyUsageOID.SERVER_AUTH, unknown))
    assert "usage-purpose" in broken(draft.used_for(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH))


def test_empty_subject_needs_a_critical_subject_alternative_name() -> None:
    names = outline().extensions[SAN]
    empty = replace(outline(), subject=outline().subject._replace(content=b""))
    critical = replace(empty, extensions={**empty.extensions, SAN: replace(names, critical=True)})
    assert RULES["name-critical"](empty) == "its subject is empty, and its subjectAltName is not critical"
    assert RULES["name-critical"](critical) is None
    assert RULES["name-critical"](outline()) is None


@pytest.mark.parametrize(
    ("content", "is_minimal"),
    [
        ("030780", True),  # digitalSignature
        ("0305a0", True),  # and keyEncipherment
        ("03070880", True),  # keyAgreement and decipherOnly
        ("0300", True),  # no bit
        ("030080", False),
        ("030580", False),
        ("03078000", False),
        ("030700", False),
        ("0307", False),
        ("030880", False),
    ],
)
def test_key_usage_is_encoded_without_the_bits_after_the_last(content: str, is_minimal: bool) -> None:  # noqa: FBT001
    contents = bytes.fromhex(content)[1:]
    judged = RULES["usage-encoding"](with_extension(KEY_USAGE, tlv(0x03, contents)))
    assert (judged is None) is is_minimal


def test_key_usage_without_contents_is_unreadable() -> None:
    with pytest.raises(ValueError, match="not a BIT STRING"):
        RULES["usage-encoding"](with_extension(KEY_USAGE, b"\x03\x00"))


@pytest.mark.parametrize(
    ("rule", "reading"),
    [
        ("usage-empty", with_extension(KEY_USAGE, bytes.fromhex("030100"))),
        ("name-empty", with_extension(SAN, tlv(0x30, tlv(0x82, b"www.example.com"), tlv(0x82)))),
        ("name-empty", with_extension(SAN, tlv(0x30, tlv(0x82, b" ")))),
        ("name-ia5", with_extension(SAN, tlv(0x30, tlv(0x82, b"b\xfccher.example.com")))),
        ("name-ia5", with_extension("2.5.29.18", tlv(0x30, tlv(0x86, b"http://b\xfccher.example.com")))),
        ("access-critical", with_extension(ACCESS, outline().extensions[ACCESS].value, critical=True)),
        ("authority-key-critical", with_extension(AUTHORITY_KEY, b"\x30\x00", critical=True)),
        ("subject-key-critical", with_extension("2.5.29.14", b"\x04\x00", critical=True)),
        ("directory-critical", with_extension("2.5.29.9", b"\x30\x00", critical=True)),
        ("freshest-crl-critical", with_extension("2.5.29.46", b"\x30\x00", critical=True)),
        ("algorithm-null", replace(outline(), inner_algorithm=tlv(0x30, encode_oid("1.2.840.113549.1.1.11")))),
        ("algorithm-null", replace(outline(), outer_algorithm=tlv(0x30, encode_oid("1.2.840.113549.1.1.5")))),
    ],
)
def test_extension_that_the_library_cannot_create_is_linted(rule: str, reading: RawCertificate) -> None:
    assert RULES[rule](outline()) is None
    assert RULES[rule](reading)


def test_critical_extension_that_must_be_critical_is_accepted() -> None:
    for oid, rule in (("2.5.29.30", "constraints-critical"), ("2.5.29.54", "inhibit-critical")):
        assert RULES[rule](with_extension(oid, b"\x30\x00", critical=True)) is None
        assert RULES[rule](with_extension(oid, b"\x30\x00"))


def test_null_as_the_parameters_of_rsa_is_accepted() -> None:
    identifier = tlv(0x30, encode_oid("1.2.840.113549.1.1.11"), b"\x05\x00")
    assert RULES["algorithm-null"](replace(outline(), inner_algorithm=identifier, outer_algorithm=identifier)) is None


def test_crl_by_http_satisfies_its_rule() -> None:
    assert broken(replace(SOUND, extra=(POLICY, PLACES, CRL, timestamps(1, 2)))) == set()
