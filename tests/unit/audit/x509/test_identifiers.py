"""Tests of reference and presented identifiers, and of the names of hosts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509

from audit.checks import test_names as checks
from audit.endpoint import Endpoint, parse_endpoint
from audit.observation import HostView
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
from tests.support.verdicts import PASS, Row, fail, finding, passes, require_verdict, unsure, verdicts
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
    ("presented", "reference", "is_match"),
    [
        ("www.example.com", "www.example.com", True),
        ("WWW.Example.COM", "www.example.com", True),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "xn--bcher-kva.example.com", True),
        ("www.example.com", "www.example.com.", True),
        ("example.com", "www.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("w*.example.com", "www.example.com", False),
        ("*w.example.com", "www.example.com", False),
        ("www.*.com", "www.example.com", False),
        ("*.*.com", "www.example.com", False),
        ("*", "localhost", False),
        ("*.com", "example.com", False),
        ("**.example.com", "www.example.com", False),
        ("", "www.example.com", False),
        ("*.example.com", ".example.com", False),
        ("b\u00fccher.example.com", "xn--bcher-kva.example.com", False),  # only A-labels are presented identifiers
        ("xn--*.example.com", "xn--bcher-kva.example.com", False),
        ("www.example.com.", "www.example.com", False),
    ],
)
def test_name_is_compared_by_label_and_a_wildcard_is_the_leftmost(
    presented: str, reference: str, *, is_match: bool
) -> None:
    assert matches(presented, reference) is is_match


ADDRESS_AS_NAME = x509.SubjectAlternativeName([x509.DNSName("192.0.2.7"), x509.DNSName("*.0.2.7")])


@pytest.mark.parametrize(
    ("draft", "covered", "not_covered"),
    [
        (GOOD.named("192.0.2.7", "2001:db8::1"), ("192.0.2.7", "2001:0db8:0::1"), ("192.0.2.8",)),
        (GOOD.named("mail.example.net", "*.example.com"), ("www.example.com", "mail.example.net"), ("example.com",)),
        (GOOD.named("www.example.com"), (), ("*.example.com",)),
        (replace(GOOD.named(), extra=(ADDRESS_AS_NAME,)), (), ("192.0.2.7",)),
    ],
    ids=["addresses", "names", "wildcard as reference", "address as a name"],
)
def test_certificate_covers_equal_addresses_and_matching_names(
    draft: Draft, covered: tuple[str, ...], not_covered: tuple[str, ...]
) -> None:
    assert [covers_name(certificate(draft), name) for name in covered] == [True] * len(covered)
    assert [covers_name(certificate(draft), name) for name in not_covered] == [False] * len(not_covered)


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
    ("name", "is_valid"),
    [
        *((name, True) for name in ("example", "www.EXAMPLE.com", "1.a", "a-b.example", "a" * 63 + ".example",
                                    "a." * 126 + "b")),
        *((name, False) for name in ("", "www.example.com.", "a..example", "a_b.example", "-a.example", "a-.example",
                                     "b\u00fccher.example", "192.0.2.7", "example.1", "a" * 64 + ".example",
                                     "a." * 126 + "bc", "*.*.example.com")),
    ],
)  # fmt: skip
def test_only_name_in_preferred_syntax_is_valid_alone_and_after_a_wildcard(name: str, *, is_valid: bool) -> None:
    assert is_dns_name(name) is is_valid
    assert is_presentable(name) is is_valid
    assert is_presentable(f"*.{name}") is is_valid
    assert not is_dns_name(f"*.{name}")


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


MATCHING = host(certificate_file(GOOD, path="/etc/tls/right.crt"))
SNAKEOIL = replace(host(), snakeoil=True)
NAMELESS = replace(host(), fqdn=None, missing_rights=("hostname is not on the host",))
name_matches, is_qualified = checks.test_name_matches, checks.test_host_name_is_fully_qualified


def on(server: HostView | None, draft: Draft) -> dict[str, object]:
    """Return the facts of a certificate that is served on a host."""
    return facts(draft) | {"observation": observed(served(), server=server)}


@verdicts({
    "the name": (name_matches, facts(GOOD), PASS),
    "the address": (name_matches, facts(GOOD.named("192.0.2.7"), parse_endpoint("tls://192.0.2.7:8443")), PASS),
    "a matching one is on the host": (name_matches, on(MATCHING, leaf("mail.example.com")), fail(
        "/etc/tls/right.crt on the host is valid for it", remedy="configure",
    )),
    "no SAN": (name_matches, facts(GOOD.named()), unsure(because="cert.san-missing")),
    "placeholder": (name_matches, on(SNAKEOIL, leaf("debian")), unsure(because="svc.certificate-missing")),
    "unreadable host name": (
        is_qualified, {"observation": observed(server=NAMELESS, endpoint=HOST)}, unsure("hostname is not on the host"),
    ),
    "no login": (is_qualified, {"observation": observed(endpoint=HOST)}, unsure(because="svc.unreachable")),
})  # fmt: skip
def test_name_of_certificate_and_host_is_judged(row: Row) -> None:
    require_verdict(row)


def test_finding_about_another_name_lists_the_names() -> None:
    found = finding(checks.test_name_matches, **facts(leaf("mail.example.com")))
    assert found.reason == "valid for mail.example.com, not for www.example.com"
    assert found.remedy == "reissue"


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
