"""Tests of endpoints: which URLs and ids are parsed, which are refused, and how endpoints are printed and sorted."""

from __future__ import annotations

import pytest

from audit.endpoint import (
    RUN,
    BadEndpoint,
    Endpoint,
    UnusableLine,
    is_host_id,
    is_loopback_host,
    parse_endpoint,
    parse_endpoints,
    parse_id,
    to_address,
    to_name,
)

NAME_OF_253 = "a." * 126 + "b"
ASSIGNED = {
    "https": 443, "smtp": 25, "smtps": 465, "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "ftp": 21,
    "ftps": 990,
}  # fmt: skip


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        *((f"{scheme}://x.example", f"{scheme}://x.example:{port}") for scheme, port in ASSIGNED.items()),
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
        ("https://www.example.com?sni=www.example.com&address=192.0.2.7", "https://www.example.com:443+192.0.2.7"),
        ("https://192.0.2.7?sni=www.example.com&address=192.0.2.8", "https://www.example.com:443+192.0.2.8"),
        ("https://cdn.example.net?sni=www.example.com&address=192.0.2.8", "https://www.example.com:443+192.0.2.8"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://x.example:1", "https://x.example:1"),
        ("https://x.example:65535", "https://x.example:65535"),
        ("https://123.example", "https://123.example:443"),
        ("https://%77ww.example.com", "https://www.example.com:443"),
        (f"https://{NAME_OF_253}", f"https://{NAME_OF_253}:443"),
        (f"https://{NAME_OF_253}.", f"https://{NAME_OF_253}:443"),
        (f"https://{'a' * 63}.example", f"https://{'a' * 63}.example:443"),
    ],
)
def test_url_is_printed_as_the_endpoint_id(url: str, printed: str) -> None:
    assert str(parse_endpoint(url)) == printed


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("www.example.com", "write for example https://www.example.com"),
        ("gopher://x.example", "the scheme 'gopher' is not known"),
        ("   ", "write for example https://www.example.com"),
        ("https://x.example:0", "port 0 cannot be connected to"),
        ("tls://x.example:0", "port 0 cannot be connected to"),
        ("https://x.example:65536", "a port is a number from 1 to 65535"),
        ("https://x.example:70000", "a port is a number from 1 to 65535"),
        ("https://x.example:port", "a port is a number from 1 to 65535"),
        ("tls://x.example", "tls:// has no port of its own"),
        ("https://a name", "has a space"),
        ("https://a\x1fname", "has a space or control character"),
        ("https://user:secret@a name", "has a space"),
        ("https://", "has no name in it"),
        ("https://x.example/path", "has a path"),
        ("https://x.example#part", "has a path"),
        ("https://x.example/#part", "has a path"),
        ("https://user:secret@x.example", "has a user in it"),
        ("https://user@x.example", "has a user in it"),
        ("https://:secret@x.example", "has a user in it"),
        ("https://user:secret@[2001:db8::1", "Invalid IPv6 URL"),
        ("https://user:secret@x.example/path", "has a path"),
        ("ssh://user:secret@x.example", "the scheme 'ssh' is not known"),
        ("https://2001:db8::1", "in brackets"),
        ("https://2001:db8::1:443", "'2001:db8::1:443' is not an address"),
        ("https://x:y:443", "'x:y:443' is not an address"),
        ("https://[2001:db8::1]x:443", "write an IPv6 address in brackets"),
        ("https://[fe80::1%25eth0]", "'[fe80::1%eth0]' has a zone id"),
        ("https://x.example?address=fe80::1%25eth0", "address='fe80::1%eth0' has a zone id"),
        ("https://x.example?address=", "address='' is not an IPv4 or IPv6 address"),
        ("https://x.example?sni=", "'' is not a host name"),
        ("https://x..example", "is not a host name"),
        ("https://-x.example", "is not a host name"),
        ("https://300.300.300.300", "neither an address nor a host name"),
        ("https://x.example?port=1", "unknown option 'port'"),
        ("https://x.example?address=y.example", "is not an IPv4 or IPv6 address"),
        (f"https://{NAME_OF_253}b", "is not a host name"),
        (f"https://{'a' * 64}.example", "is not a host name"),
        ("https://x-.example", "is not a host name"),
        ("https://b\u00fccher..example", "is not a host name: Empty Label"),
    ],
)
def test_invalid_url_is_refused_with_the_reason(url: str, message: str) -> None:
    with pytest.raises(BadEndpoint) as raised:
        parse_endpoint(url)
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)


def test_refused_url_is_named_without_its_user() -> None:
    with pytest.raises(BadEndpoint, match=r"^'https://…@x\.example/path' has a path"):
        parse_endpoint("https://user:secret@x.example/path")


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


def test_names_and_addresses_are_distinguished() -> None:
    assert to_address("[::1]") == "::1"
    assert [to_address(text) for text in ("[::1", "::1]", "www.example.com", "fe80::1%eth0")] == [None] * 4
    assert to_address("192.0.2.7") == to_name("[192.0.2.7]") == "192.0.2.7"
    assert to_name("_dmarc.Example.COM.") == "_dmarc.example.com"


def test_name_with_a_zone_id_is_refused() -> None:
    for text, message in (
        ("fe80::1%eth0", "has a zone id"),
        ("100%", "not a host name"),
        ("100%:1", "not a host name"),
    ):
        with pytest.raises(BadEndpoint, match=message):
            to_name(text)


def test_endpoint_connects_to_its_address_else_to_its_name() -> None:
    assert parse_endpoint("https://cdn.example.net?sni=www.example.com").connect_to == "cdn.example.net"
    assert parse_endpoint("https://www.example.com?address=192.0.2.7").connect_to == "192.0.2.7"
    assert Endpoint("https", "www.example.com", 443, "192.0.2.7", host="cdn.example.net").connect_to == "192.0.2.7"
    found = Endpoint("imaps", "mail.example.com", 993, host="web1", hostspec="ssh://root@web1", service="dovecot")
    assert found.connect_to == found.reference == "mail.example.com"
    assert str(found) == "web1/imaps://mail.example.com:993"


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        *((host, True) for host in ("localhost", "127.0.0.1", "127.255.255.254", "::1", "[0:0::1]")),
        *((host, False) for host in ("192.0.2.1", "12.7.0.1", "::2", "127.example.com", "localhost.example")),
    ],
)
def test_this_machine_is_localhost_or_a_loopback_address(host: str, *, is_loopback: bool) -> None:
    assert is_loopback_host(host) is is_loopback


def test_host_and_run_have_ids_of_their_own() -> None:
    assert str(RUN) == "run/"
    assert RUN.order == ("run", "", "", 0, "")
    assert Endpoint.of_host("web1", "ssh://root@web1").is_host
    assert not parse_endpoint("https://www.example.com").is_host


def test_endpoints_sort_by_host_name_scheme_port_and_address() -> None:
    urls = ["https://b.example:444", "smtp://a.example", "https://b.example", "https://a.example"]
    ordered = sorted(map(parse_endpoint, urls), key=lambda endpoint: endpoint.order)
    assert [str(endpoint) for endpoint in ordered] == [
        "https://a.example:443",
        "smtp://a.example:25",
        "https://b.example:443",
        "https://b.example:444",
    ]
    assert Endpoint("https", "www.example.com", 443).order == ("", "www.example.com", "https", 443, "")
    found = Endpoint("https", "www.example.com", 443, "192.0.2.7", host="web1")
    assert found.order == ("web1", "www.example.com", "https", 443, "192.0.2.7")


def test_endpoints_file_may_have_comments_and_empty_lines() -> None:
    text = "\ufeffhttps://b.example  # the shop\n\n# mail\nsmtp://a.example\n"
    endpoints, unusable = parse_endpoints(text, "list.txt")
    assert [str(endpoint) for endpoint in endpoints] == ["https://b.example:443", "smtp://a.example:25"]
    assert unusable == ()


def test_invalid_line_is_reported_and_the_other_lines_are_read() -> None:
    endpoints, unusable = parse_endpoints("# list\n  b.example # the shop\nsmtp://a.example", "list.txt")
    assert [str(endpoint) for endpoint in endpoints] == ["smtp://a.example:25"]
    why = "'b.example' has no scheme: write for example https://b.example"
    assert unusable == (UnusableLine("list.txt", 2, "b.example", why),)
