"""Which website answers for a name: nginx's rule, apache's rule, and the user's word before both."""

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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("www.a.example", "/exact"),
        ("WWW.A.example.", "/exact"),
        ("dot.example", "/exact"),
        ("x.dot.example", "/exact"),
        ("x.a.example", "/long"),
        ("x.y.a.example", "/long"),
        ("a.example", "/short"),
        ("www.b.test", "/longtail"),
        ("www.c.test", "/tail"),
        ("www.b.example", "/short"),
    ],
)
def test_the_best_name_is_exact_then_the_longest_wildcard_in_front_then_at_the_end(name: str, expected: str) -> None:
    assert folder(NAMES, name) == expected


def test_a_name_left_to_an_expression_is_not_guessed_and_without_one_the_default_answers() -> None:
    assert "by the name '^shop' is known only at run time" in folder(NAMES, "nobodys.test")
    assert folder([one for one in NAMES if one.docroot != Docroot("/regex")], "nobodys.test") == "/default"


def test_of_two_with_one_name_the_first_answers() -> None:
    assert folder([site("/a", "a.example"), site("/b", "a.example")], "a.example") == "/a"


APACHE = [
    site("/first", "a.example", default=True, rule="first"),
    site("/wild", "*.example", "w?w.test", rule="first"),
    site("/late", "b.example", "[a].test", rule="first"),
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("b.example", "/wild"),
        ("wxw.test", "/wild"),
        ("nobodys.test", "/first"),
        ("a.test", "/first"),
        ("x.y.example", "/wild"),
    ],
)
def test_the_first_that_has_the_name_answers_else_the_first_of_all(name: str, expected: str) -> None:
    assert folder(APACHE, name) == expected


def test_one_that_may_have_the_name_leaves_open_what_comes_after_it_and_nothing_before() -> None:
    macro = site("/m", "~${site}", rule="first")
    assert "'${site}'" in folder([APACHE[0], macro, *APACHE[1:]], "b.example")
    assert folder([*APACHE, macro], "b.example") == "/wild"
    assert "'${site}'" in folder([*APACHE, macro], "nobodys.test")


def test_a_socket_of_one_address_is_asked_before_one_of_all() -> None:
    sites = [
        site("/all", "a.example", default=True),
        site("/one", "b.example", at=("192.0.2.7",), default=True),
        site("/six", at=V6, default=True),
    ]
    assert folder(sites, "a.example", "192.0.2.7") == "/one"
    assert folder(sites, "a.example", "192.0.2.8") == "/all"
    assert folder(sites, "a.example", "2001:DB8::1") == "/six"
    assert folder(sites[:2], "a.example", "2001:db8::1") == "no known web server listens at 2001:db8::1"


def test_without_an_address_those_count_where_the_name_is_known_and_loopback_only_where_it_is_all() -> None:
    by_name = [site("/a", "a.example", at=("192.0.2.1",)), site("/b", default=True)]
    assert folder(by_name, "a.example") == "/a"
    assert folder(by_name, "b.example") == "no website of nginx is configured there for b.example"
    loopback = site("/inside", "a.example", at=("127.0.0.1", "::1"))
    assert folder([*by_name, loopback], "a.example") == "/a"
    assert folder([loopback], "a.example") == "/inside"


def test_several_folders_at_several_addresses_are_said_not_chosen() -> None:
    sites = [site("/a", "a.example"), site("/b", "a.example", at=V6)]
    assert folder(sites, "a.example").startswith("the folder depends on the address: /a/.well-known/")
    away = Website(
        "nginx", "best", 80, V6, ("a.example",), why="nginx handles it by `return 301`, not from a directory"
    )
    assert folder([sites[0], away], "a.example") == away.why


def test_the_users_word_comes_first_at_every_port_and_for_its_names_alone() -> None:
    declared = Website("gateway", "declared", 0, names=("a.example",), docroot=Docroot("/declared"))
    assert folder([site("/a", "a.example", default=True), declared], "A.example") == "/declared"
    assert folder([site("/a", "a.example", default=True), declared], "b.example") == "/a"


def test_only_the_port_that_is_asked_counts() -> None:
    assert docroot_of([site("/a", "a.example")], "a.example", 8080) == "no known web server listens on port 8080"
    assert docroot_of([], "a.example") == "no known web server listens on port 80"


def test_two_services_configured_for_one_socket_are_not_chosen_between() -> None:
    both = [site("/a", "a.example"), site("/b", "a.example", rule="first")]
    assert folder(both, "a.example") == "nginx, apache are configured for one address and port"


def test_a_pattern_of_many_wildcards_is_compared_in_no_time() -> None:
    hostile = site("/h", "*a" * 200 + "b", rule="first")
    assert folder([APACHE[0], hostile], "a" * 240 + ".example") == "/first"
