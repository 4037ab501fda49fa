"""Tests of which website serves a name: the rules of nginx and apache, and the declaration of the user before both."""

from __future__ import annotations

import pytest

from audit.observation.website import Docroot, SiteSelection, Website
from audit.services.virtual_hosts import docroot_of

V4, V6 = ("0.0.0.0",), ("::",)


def site(
    folder: str, *names: str, at: tuple[str, ...] = V4, default: bool = False, rule: SiteSelection = "best"
) -> Website:
    service = {"best": "nginx", "first": "apache", "declared": "gateway"}[rule]
    return Website(service, rule, 80, at, names, default, Docroot(folder))


def folder(websites: list[Website], name: str, address: str | None = None) -> str:
    found = docroot_of(websites, name, address=address)
    return found.folder if isinstance(found, Docroot) else found


NAMES = [
    site("/default", "other.example", default=True),
    site("/regex", "~^shop"),
    site("/short", "*.example"),
    site("/long", "*.a.example"),
    site("/exact", "www.a.example", ".dot.example"),
    site("/tail", "www.*"),
    site("/longtail", "www.b.*"),
]


APACHE = [
    site("/first", "a.example", default=True, rule="first"),
    site("/wild", "*.example", "w?w.test", rule="first"),
    site("/late", "b.example", "[a].test", rule="first"),
]
DECLARED = Website("gateway", "declared", 0, names=("a.example",), docroot=Docroot("/declared"))
BESIDE = [site("/a", "a.example", default=True), DECLARED]


@pytest.mark.parametrize(
    ("websites", "name", "expected"),
    [
        (NAMES, "www.a.example", "/exact"),
        (NAMES, "WWW.A.example.", "/exact"),
        (NAMES, "dot.example", "/exact"),
        (NAMES, "x.dot.example", "/exact"),
        (NAMES, "x.a.example", "/long"),
        (NAMES, "x.y.a.example", "/long"),
        (NAMES, "a.example", "/short"),
        (NAMES, "www.b.test", "/longtail"),
        (NAMES, "www.c.test", "/tail"),
        (NAMES, "www.b.example", "/short"),
        ([site("/a", "a.example"), site("/b", "a.example")], "a.example", "/a"),
        (APACHE, "b.example", "/wild"),
        (APACHE, "wxw.test", "/wild"),
        (APACHE, "other.test", "/first"),
        (APACHE, "a.test", "/first"),
        (APACHE, "x.y.example", "/wild"),
        (BESIDE, "A.example", "/declared"),
        (BESIDE, "b.example", "/a"),
        ([site("/a", "a.example"), site("/b", "a.example", rule="first")], "a.example",
         "nginx, apache are configured for one address and port"),
        ([], "a.example", "no known web server listens on port 80"),
    ],
)  # fmt: skip
def test_website_is_selected_by_the_rule_of_its_server(websites: list[Website], name: str, expected: str) -> None:
    assert folder(websites, name) == expected


def test_websites_at_other_ports_are_ignored() -> None:
    assert docroot_of([site("/a", "a.example")], "a.example", 8080) == "no known web server listens on port 8080"


def test_regular_expression_is_not_guessed_and_default_serves_otherwise() -> None:
    assert "by the name '^shop' is known only at run time" in folder(NAMES, "other.test")
    assert folder([website for website in NAMES if website.docroot != Docroot("/regex")], "other.test") == "/default"


def test_website_with_unknown_name_makes_only_later_websites_unknown() -> None:
    macro = site("/m", "~${site}", rule="first")
    assert "'${site}'" in folder([APACHE[0], macro, *APACHE[1:]], "b.example")
    assert folder([*APACHE, macro], "b.example") == "/wild"
    assert "'${site}'" in folder([*APACHE, macro], "other.test")


def test_socket_of_one_address_precedes_wildcard_socket() -> None:
    sites = [
        site("/all", "a.example", default=True),
        site("/one", "b.example", at=("192.0.2.7",), default=True),
        site("/six", at=V6, default=True),
    ]
    assert folder(sites, "a.example", "192.0.2.7") == "/one"
    assert folder(sites, "a.example", "192.0.2.8") == "/all"
    assert folder(sites, "a.example", "2001:DB8::1") == "/six"
    assert folder(sites[:2], "a.example", "2001:db8::1") == "no known web server listens at 2001:db8::1"


def test_without_an_address_loopback_is_used_only_if_it_is_alone() -> None:
    by_name = [site("/a", "a.example", at=("192.0.2.1",)), site("/b", default=True)]
    assert folder(by_name, "a.example") == "/a"
    assert folder(by_name, "b.example") == "no website of nginx is configured there for b.example"
    loopback = site("/inside", "a.example", at=("127.0.0.1", "::1"))
    assert folder([*by_name, loopback], "a.example") == "/a"
    assert folder([loopback], "a.example") == "/inside"


def test_different_folders_by_address_are_reported() -> None:
    sites = [site("/a", "a.example"), site("/b", "a.example", at=V6)]
    assert folder(sites, "a.example").startswith("the folder depends on the address: /a/.well-known/")
    away = Website(
        "nginx", "best", 80, V6, ("a.example",), why="nginx handles it by `return 301`, not from a directory"
    )
    assert folder([sites[0], away], "a.example") == away.why


def test_pattern_of_many_wildcards_is_compared_quickly() -> None:
    hostile = site("/h", "*a" * 200 + "b", rule="first")
    assert folder([APACHE[0], hostile], "a" * 240 + ".example") == "/first"
