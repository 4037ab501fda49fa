"""Endpoint ids: what parses, what does not and what is said then, and how they print and sort."""

from __future__ import annotations

import pytest

from audit.endpoint import RUN, BadEndpoint, Endpoint, is_host_id, parse_endpoint, parse_id, to_address, to_name


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("https://www.example.com", "https://www.example.com:443"),
        ("HTTPS://WWW.Example.com.", "https://www.example.com:443"),
        ("  smtp://mx.example.com  ", "smtp://mx.example.com:25"),
        ("tls://h.example.com:8443", "tls://h.example.com:8443"),
        ("imaps://mail.example.com/", "imaps://mail.example.com:993"),
        ("https://bücher.example", "https://xn--bcher-kva.example:443"),
        ("https://[2001:DB8:0::1]", "https://[2001:db8::1]:443"),
        ("https://192.0.2.7:444", "https://192.0.2.7:444"),
        ("https://www.example.com?address=192.0.2.7", "https://www.example.com:443+192.0.2.7"),
        ("https://www.example.com?address=[2001:db8::1]", "https://www.example.com:443+2001:db8::1"),
        ("https://192.0.2.7?sni=www.example.com", "https://www.example.com:443+192.0.2.7"),
        ("https://cdn.example.net?sni=www.example.com", "cdn.example.net/https://www.example.com:443"),
        ("https://www.example.com?sni=www.example.com", "https://www.example.com:443"),
    ],
)
def test_a_url_prints_as_the_id(url: str, printed: str) -> None:
    assert str(parse_endpoint(url)) == printed


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("www.example.com", "write for example https://www.example.com"),
        ("gopher://x.example", "the scheme 'gopher' is not known"),
        ("https://x.example:0", "port 0 cannot be connected to"),
        ("https://x.example:70000", "a port is a number from 1 to 65535"),
        ("https://x.example:port", "a port is a number from 1 to 65535"),
        ("tls://x.example", "tls:// has no port of its own"),
        ("https://a name", "has a space"),
        ("https://", "has no name in it"),
        ("https://x.example/path", "has a path"),
        ("https://user:secret@x.example", "has a user in it"),
        ("https://user:secret@x.example/path", "has a path"),
        ("ssh://user:secret@x.example", "the scheme 'ssh' is not known"),
        ("https://2001:db8::1", "stands in brackets"),
        ("https://x..example", "is not a host name"),
        ("https://-x.example", "is not a host name"),
        ("https://300.300.300.300", "neither an address nor a host name"),
        ("https://x.example?port=1", "unknown option 'port'"),
        ("https://x.example?address=y.example", "is not an IPv4 or IPv6 address"),
        ("https://" + "a." * 127 + "example", "is not a host name"),
    ],
)
def test_a_text_that_names_no_endpoint_says_what_would_be_right(url: str, says: str) -> None:
    with pytest.raises(BadEndpoint) as raised:
        parse_endpoint(url)
    assert says in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint("https", "www.example.com", 443),
        Endpoint("pop3s", "mail.example.com", 995, host="web1"),
        Endpoint("https", "2001:db8::1", 443, "2001:db8::2", "team/web1"),
        Endpoint("smtp", "192.0.2.7", 25, "192.0.2.8"),
        Endpoint("https", "www.example.com", 443, host="cdn.example.net"),
        Endpoint.of_host("web1", None),
        RUN,
    ],
    ids=str,
)
def test_id_is_parsed_to_the_endpoint_that_prints_it(endpoint: Endpoint) -> None:
    assert parse_id(str(endpoint)) == endpoint
    assert is_host_id(str(endpoint)) == endpoint.is_host


@pytest.mark.parametrize("text", ["", "web1", "https://", "https://www.example.com", "web1/https://a:b", "a b"])
def test_text_that_is_not_an_id_is_refused(text: str) -> None:
    with pytest.raises(BadEndpoint, match="is not the id of an endpoint, such as"):
        parse_id(text)


def test_names_and_addresses_are_told_apart() -> None:
    assert to_address("[::1]") == "::1"
    assert to_address("www.example.com") is None
    assert to_name("_dmarc.Example.COM.") == "_dmarc.example.com"


def test_an_endpoint_connects_to_its_address_else_its_name() -> None:
    assert parse_endpoint("https://cdn.example.net?sni=www.example.com").connect_to == "cdn.example.net"
    assert parse_endpoint("https://www.example.com?address=192.0.2.7").connect_to == "192.0.2.7"
    found = Endpoint("imaps", "mail.example.com", 993, host="web1", hostspec="ssh://root@web1", service="dovecot")
    assert found.connect_to == found.reference == "mail.example.com"
    assert str(found) == "web1/imaps://mail.example.com:993"


def test_a_host_and_the_run_stand_for_themselves() -> None:
    assert str(RUN) == "run/"
    assert Endpoint.of_host("web1", "ssh://root@web1").is_host
    assert not parse_endpoint("https://www.example.com").is_host


def test_endpoints_sort_by_host_name_scheme_port_and_address() -> None:
    urls = ["https://b.example:444", "smtp://a.example", "https://b.example", "https://a.example"]
    ordered = sorted(map(parse_endpoint, urls), key=lambda endpoint: endpoint.order)
    assert [str(one) for one in ordered] == [
        "https://a.example:443",
        "smtp://a.example:25",
        "https://b.example:443",
        "https://b.example:444",
    ]
