"""Tests of the names of a leaf: reference identifiers, DNS syntax, common names, public suffixes."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.x509.public_suffix import is_public_suffix, registered_domain
from tests.support.x509.paths import Made, clauses, directory, new_ca, new_leaf, new_root, san, validated

ROOT = new_root()
CA = new_ca(ROOT)


def leaf(*names: str | x509.GeneralName, common_name: str = "") -> Made:
    return new_leaf(CA, *names, subject=f"CN={common_name}" if common_name else "O=Leaf")


@pytest.mark.parametrize(
    ("presented", "reference", "clause"),
    [
        ("www.example.com", "www.example.com", None),
        ("WWW.Example.COM", "www.example.com", None),
        ("www.example.com", "WWW.EXAMPLE.COM.", None),
        ("*.example.com", "www.example.com", None),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
        ("*.example.com", "xn--bcher-kva.example.com", None),
        ("192.0.2.7", "192.0.2.7", None),
        ("2001:db8::7", "2001:DB8:0::7", None),
        ("127.0.0.1", "127.0.0.1", None),
        ("*.github.io", "www.github.io", None),  # a private suffix
        ("www.example.com", "example.com", "RFC 9525 6.3"),
        ("*.example.com", "example.com", "RFC 9525 6.3"),
        ("*.example.com", "a.b.example.com", "RFC 9525 6.3"),
        ("*.example.com", "*.example.com", "RFC 9525 6.1.2"),
        ("www.example.com", "", "RFC 9525 6.1.2"),
        ("www.example.com", "www..example.com", "RFC 9525 6.1.2"),
        ("www.example.com", "www.example.com\0", "RFC 9525 6.1.2"),
        ("192.0.2.7", "192.0.2.8", "RFC 9525 6.4"),
        ("192.0.2.7", "::ffff:192.0.2.7", "RFC 9525 6.4"),
        ("www.example.com", "192.0.2.7", "RFC 9525 6.4"),
    ],
)
def test_only_a_matching_reference_identifier_is_accepted(presented: str, reference: str, clause: str | None) -> None:
    assert clauses(validated(leaf(presented), CA, reference=reference)) == ({clause} if clause else set())


TWICE = new_leaf(CA, "www.example.com", "a.example.com", subject="CN=www.example.com,CN=a.example.com")
NAMELESS = new_leaf(CA, subject="CN=www.example.com").without(x509.SubjectAlternativeName)


@pytest.mark.parametrize(
    ("made", "reference", "expected"),
    [
        (leaf(x509.DNSName("192.0.2.7")), "192.0.2.7", {"BR 7.1.2.7.12", "RFC 9525 6.4"}),
        (TWICE, "www.example.com", {"BR 7.1.4.3"}),
        (NAMELESS, "www.example.com", {"BR 7.1.2.7.12", "RFC 9525 6.3"}),
        *((leaf("www.example.com", f"*.{suffix}"), "www.example.com", {"BR 3.2.2.6"})
          for suffix in ("com", "co.uk", "example", "XN--P1AI", "localhost")),
    ],
    ids=["address as a DNS name", "two common names", "no SAN", "com", "co.uk", "example", "XN--P1AI", "localhost"],
)  # fmt: skip
def test_names_that_no_public_ca_may_certify_are_refused(made: Made, reference: str, expected: set[str]) -> None:
    assert clauses(validated(made, CA, reference=reference)) == expected


@pytest.mark.parametrize(
    "presented",
    ["foo.*.example.com", "w*.example.com", "xn--*-1b3c148a.example.com", "*", "*.*.example.com", "foo_bar.example.com",
     "-a.example.com", "a-.example.com", "www.example.com.", ".example.com", "", "a..example.com", "192.0.2.7.",
     "a" * 64 + ".example.com", "a." * 126 + "ab", "www.example.com/", "user@example.com"],
)  # fmt: skip
def test_dns_name_outside_the_preferred_syntax_is_refused(presented: str) -> None:
    found = validated(leaf("www.example.com", x509.DNSName(presented)), CA)
    assert clauses(found) == {"BR 7.1.2.7.12"}


def test_public_suffixes_are_those_of_registries() -> None:
    assert is_public_suffix("co.uk")
    assert not is_public_suffix("example.co.uk")
    assert not is_public_suffix("s3.amazonaws.com")
    assert registered_domain("a.b.Example.co.uk") == "example.co.uk"
    assert registered_domain("co.uk") == "co.uk"


@pytest.mark.parametrize(
    "common_name", ["www.example.com", "192.0.2.7", "2001:db8::7", "example.com", "Example Limited", "server", ""]
)
def test_common_name_that_copies_a_name_or_is_not_a_name_is_accepted(common_name: str) -> None:
    names = ("www.example.com", "192.0.2.7", "2001:db8::7")
    assert validated(leaf(*names, common_name=common_name), CA).violations == ()


@pytest.mark.parametrize(
    "common_name",
    ["WWW.example.com", "bücher.example", "0xC0.0x00.0x02.0x07", "192.000.002.007", "192.0.2.8", "2001:DB8::7",
     "2001:db8:0:0:0:0:0:7", "www.example.org", "*.example.net", "xn--nxasmq6b.com"],
)  # fmt: skip
def test_common_name_that_differs_from_the_presented_names_is_refused(common_name: str) -> None:
    names = ("www.example.com", "xn--bcher-kva.example", "192.0.2.7", "2001:db8::7")
    found = validated(leaf(*names, common_name=common_name), CA)
    assert clauses(found) == {"BR 7.1.4.3"}


def test_names_are_not_compared_without_a_reference_identifier() -> None:
    person = leaf(directory("CN=Some Person"), common_name="Some Person")
    assert validated(person, CA, reference=None).ok
    assert validated(leaf().without(x509.SubjectAlternativeName), CA, reference=None).ok


def test_additional_name_of_another_kind_is_accepted() -> None:
    both = leaf().having(san("www.example.com", x509.UniformResourceIdentifier("spiffe://example.com/web")))
    assert validated(both, CA).ok


def test_mailbox_is_matched_with_rfc822_names_only() -> None:
    person = leaf(x509.RFC822Name("Me@example.com")).having(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    )
    for purpose in ("clientAuth", "serverAuth"):
        assert validated(person, CA, reference="Me@EXAMPLE.com", purpose=purpose).ok
        for other in ("me@example.com", "Me@www.example.com", "@", "example.com@"):
            assert clauses(validated(person, CA, reference=other, purpose=purpose)) == {"RFC 5280 4.2.1.6"}
