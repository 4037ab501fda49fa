"""Tests of reference and presented identifiers, and of the names of hosts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509

from audit.checks import test_names as checks
from audit.endpoint import Endpoint, parse_endpoint
from audit.policy import Policy
from audit.x509.identifiers import (
    covers_name,
    covers_names_of,
    host_name_faults,
    is_dns_name,
    is_mailbox,
    is_presentable,
    matches,
    presented_identifiers,
    wildcard_faults,
    wildcards,
)
from tests.support.endpoint_facts import (
    ENDPOINT,
    GOOD,
    HOST,
    WEBPKI,
    certificate,
    certificate_file,
    host,
    observed,
    served,
)
from tests.support.verdicts import finding, inconclusive, passes
from tests.support.x509.certificates import Draft, leaf


def facts(draft: Draft, endpoint: Endpoint = ENDPOINT, policy: Policy = WEBPKI) -> dict[str, object]:
    """Return the facts that the check of names needs."""
    return {
        "endpoint": endpoint,
        "certificate": certificate(draft),
        "observation": observed(served()),
        "policy": policy,
    }


@pytest.mark.parametrize(
    ("presented", "reference"),
    [
        ("www.example.com", "www.example.com"),
        ("WWW.Example.COM", "www.example.com"),
        ("*.example.com", "www.example.com"),
        ("*.example.com", "xn--bcher-kva.example.com"),
        ("www.example.com", "www.example.com."),
    ],
)
def test_presented_name_is_compared_label_by_label(presented: str, reference: str) -> None:
    assert matches(presented, reference)


@pytest.mark.parametrize(
    ("presented", "reference"),
    [
        ("example.com", "www.example.com"),
        ("*.example.com", "example.com"),
        ("*.example.com", "a.b.example.com"),
        ("w*.example.com", "www.example.com"),
        ("*w.example.com", "www.example.com"),
        ("www.*.com", "www.example.com"),
        ("*.*.com", "www.example.com"),
        ("*", "localhost"),
        ("*.com", "example.com"),
        ("**.example.com", "www.example.com"),
        ("", "www.example.com"),
        ("*.example.com", ".example.com"),
        ("b\u00fccher.example.com", "xn--bcher-kva.example.com"),  # only A-labels are presented identifiers
        ("xn--*.example.com", "xn--bcher-kva.example.com"),
        ("www.example.com.", "www.example.com"),
    ],
)
def test_wildcard_is_the_whole_leftmost_label_only(presented: str, reference: str) -> None:
    assert not matches(presented, reference)


def test_address_matches_only_an_equal_address() -> None:
    seen = certificate(GOOD.named("192.0.2.7", "2001:db8::1"))
    assert covers_name(seen, "192.0.2.7")
    assert covers_name(seen, "2001:0db8:0::1")
    assert not covers_name(seen, "192.0.2.8")


def test_certificate_covers_names_that_match_its_wildcard() -> None:
    seen = certificate(GOOD.named("mail.example.net", "*.example.com"))
    assert covers_name(seen, "www.example.com")
    assert covers_name(seen, "mail.example.net")
    assert not covers_name(seen, "example.com")
    assert not covers_name(certificate(GOOD.named("www.example.com")), "*.example.com")


def test_certificate_covers_another_one_with_a_subset_of_its_names() -> None:
    both = certificate(GOOD.named("www.example.com", "192.0.2.7"))
    name_only = certificate(GOOD.named("www.example.com"))
    address = certificate(GOOD.named("192.0.2.7"))
    assert covers_names_of(both, both)
    assert covers_names_of(both, name_only)
    assert covers_names_of(both, address)
    assert not covers_names_of(name_only, both)
    assert not covers_names_of(name_only, address)


def test_presented_identifiers_are_names_followed_by_addresses() -> None:
    seen = certificate(GOOD.named("192.0.2.7", "www.example.com", "*.example.com"))
    assert presented_identifiers(seen) == ("www.example.com", "*.example.com", "192.0.2.7")
    assert wildcards(seen) == ("*.example.com",)


@pytest.mark.parametrize(
    "name",
    ["example", "www.EXAMPLE.com", "1.a", "a-b.example", "a" * 63 + ".example", "a." * 126 + "b"],
)
def test_name_in_preferred_syntax_is_valid_alone_and_after_a_wildcard(name: str) -> None:
    assert is_dns_name(name)
    assert is_presentable(name)
    assert is_presentable(f"*.{name}")
    assert not is_dns_name(f"*.{name}")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "www.example.com.",
        "a..example",
        "a_b.example",
        "-a.example",
        "a-.example",
        "b\u00fccher.example",
        "192.0.2.7",
        "example.1",
        "a" * 64 + ".example",
        "a." * 126 + "bc",
        "*.*.example.com",
    ],
)
def test_name_in_another_syntax_is_not_a_dns_name(name: str) -> None:
    assert not is_dns_name(name)
    assert not is_presentable(name)


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("root@example.com", True),
        ("first.last@example.com", True),
        ("example.com", False),
        ("@example.com", False),
        ("root@", False),
        ("a b@example.com", False),
        ("a\x00b@example.com", False),
        ("root@example@example.com", False),
        ("root@example_1.com", False),
    ],
)
def test_mailbox_has_one_local_part_and_one_host(text: str, is_valid: bool) -> None:  # noqa: FBT001 - expected
    assert is_mailbox(text) == is_valid


def test_wildcard_below_a_public_suffix_is_too_wide() -> None:
    seen = certificate(GOOD.named("*.co.uk", "*.example.com"))
    assert wildcard_faults(seen, ENDPOINT) == ("*.co.uk stands for every domain below a public suffix",)


def test_wildcard_is_too_wide_for_a_service_other_than_a_website() -> None:
    seen = certificate(GOOD.named("*.example.com", "www.example.net", "*.example.org"))
    assert wildcard_faults(seen, parse_endpoint("https://www.example.com")) == ()
    assert wildcard_faults(seen, parse_endpoint("tls://www.example.com:8443")) == ()
    assert wildcard_faults(seen, parse_endpoint("smtp://mx.example.com")) == (
        "the key of this smtp service is valid for every website of *.example.com, *.example.org",
    )
    assert wildcard_faults(certificate(GOOD), parse_endpoint("smtp://mx.example.com")) == ()


def test_address_as_dns_name_covers_nothing() -> None:
    san = x509.SubjectAlternativeName([x509.DNSName("192.0.2.7"), x509.DNSName("*.0.2.7")])
    assert not covers_name(certificate(replace(GOOD.named(), extra=(san,))), "192.0.2.7")


def test_certificate_for_the_name_passes() -> None:
    assert passes(checks.test_name_matches, **facts(GOOD))
    assert passes(checks.test_name_matches, **facts(GOOD.named("192.0.2.7"), parse_endpoint("tls://192.0.2.7:8443")))


def test_finding_about_another_name_lists_the_names() -> None:
    found = finding(checks.test_name_matches, **facts(leaf("mail.example.com")))
    assert found.reason == "valid for mail.example.com, not for www.example.com"
    assert found.remedy == "reissue"


def test_remedy_is_configure_if_the_host_has_a_matching_certificate() -> None:
    seen = observed(served(), server=host(certificate_file(GOOD, path="/etc/tls/right.crt")))
    found = finding(checks.test_name_matches, **facts(leaf("mail.example.com")) | {"observation": seen})
    assert found.remedy == "configure"
    assert "/etc/tls/right.crt on the host is valid for it" in found.reason


def test_missing_san_makes_the_name_check_inconclusive() -> None:
    assert inconclusive(checks.test_name_matches, **facts(GOOD.named())).because == "cert.san-missing"


def test_placeholder_makes_the_name_check_inconclusive() -> None:
    seen = observed(served(), server=replace(host(), snakeoil=True))
    judgement = inconclusive(checks.test_name_matches, **facts(leaf("debian")) | {"observation": seen})
    assert judgement.because == "svc.certificate-missing"


@pytest.mark.parametrize(
    "name",
    [
        "web1.example.com",
        "xn--bcher-kva.example",
        "a.b.internal",
        "web1.example.com.",
        "web1.example",
        "a" * 63 + ".example",
        "a." * 126 + "b",
        "a." * 126 + "b.",
        "1.example",
    ],
)
def test_fully_qualified_host_name_passes(name: str) -> None:
    assert host_name_faults(name) == ()
    seen = observed(server=replace(host(), fqdn=name), endpoint=HOST)
    assert passes(checks.test_host_name_is_fully_qualified, observation=seen)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("web1", "no domain"),
        ("localhost", "no domain"),
        ("localhost.localdomain", "localdomain is reserved"),
        ("web_1.example.com", "web_1"),
        ("-web.example.com", "-web"),
        ("web1.example.123", "number"),
        ("192.0.2.7", "an address"),
        ("a" * 64 + ".example.com", "1 to 63 characters"),
        (".".join(["a" * 60] * 5), "longer than 253"),
        ("", "''"),
    ],
)
def test_host_name_that_is_not_fully_qualified_is_found_with_reason(name: str, why: str) -> None:
    seen = observed(server=replace(host(), fqdn=name), endpoint=HOST)
    assert why in finding(checks.test_host_name_is_fully_qualified, observation=seen).reason


def test_all_faults_of_a_host_name_are_reported() -> None:
    bad = "does not have 1 to 63 characters of a-z, 0-9 and hyphen"
    assert host_name_faults("192.0.2.7") == ("it is an address, not a name",)
    assert host_name_faults("Localhost") == ("it has no domain", "Localhost is reserved and names no host")
    assert host_name_faults("a_b.c_d.1") == (
        f"the label 'a_b' {bad}",
        f"the label 'c_d' {bad}",
        "its last label is a number",
    )
    assert host_name_faults("a." * 126 + "bc") == ("it is longer than 253 characters",)


def test_unreadable_host_name_is_inconclusive() -> None:
    unread = replace(host(), fqdn=None, missing_rights=("hostname is not on the host",))
    seen = observed(server=unread, endpoint=HOST)
    assert (
        "hostname is not on the host" in inconclusive(checks.test_host_name_is_fully_qualified, observation=seen).reason
    )


def test_host_name_check_is_inconclusive_without_a_login() -> None:
    judgement = inconclusive(checks.test_host_name_is_fully_qualified, observation=observed(endpoint=HOST))
    assert judgement.because == "svc.unreachable"
