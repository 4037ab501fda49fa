"""Tests of the reader of nginx: forms of servers, names and sockets that are met on hosts."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from audit.services import Listener, nginx
from audit.services.nginx.name_expressions import names_matching
from tests.support.config_dumps import described, dump

BY_NAME: Final = "ssl_certificate /$ssl_server_name.crt; ssl_certificate_key /$ssl_server_name.key;"
REFUSED: Final = "ssl_reject_handshake on;"


def server(listen: str, names: str = "", files: str = "") -> str:
    """Return a server; `files` is the stem of its certificate and key, or directives."""
    pair = f"ssl_certificate {files}.crt; ssl_certificate_key {files}.key;" if files.startswith("/") else files
    return f"server {{ listen {listen}; {f'server_name {names};' if names else ''} {pair} }}"


def read(*servers: str) -> tuple[Listener, ...]:
    text = f"# configuration file /etc/nginx/nginx.conf:\nevents {{}}\nhttp {{ {' '.join(servers)} }}\n"
    return nginx.read(dump(dump=text))


PATTERN: Final = r"nginx serves the names that match '~^b\\d\\.test$' at port 443, and none of them is known"
UNKNOWN_FILE: Final = "nginx takes the certificate from '/$ssl_server_name.crt', known only at run time"


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ([server("443 ssl", "*.apps.test", "/a"), server("443 ssl default_server", "_", "/d")],
         ["https 0.0.0.0 443 | any-label.apps.test | /a.crt key:/a.key", "https 0.0.0.0 443 | /d.crt key:/d.key"]),
        ([server("443 ssl", "*.a.test *.b.test", "/a")],
         ["https 0.0.0.0 443 | any-label.a.test any-label.b.test | /a.crt key:/a.key",
          "https 0.0.0.0 443 | /a.crt key:/a.key"]),
        ([server("443 ssl", "a.test *.a.test", "/a")], ["https 0.0.0.0 443 | a.test | /a.crt key:/a.key"]),
        ([server("443 ssl", "a.test", "/a"), server("443 ssl", "_", "/d")],
         ["https 0.0.0.0 443 | a.test | /a.crt key:/a.key"]),
        ([server("443 ssl", "a.test", "/a"), server("443 ssl", "$hostname", "/d")],
         ["https 0.0.0.0 443 | a.test | /a.crt key:/a.key", "https 0.0.0.0 443 | /d.crt key:/d.key"]),
        ([server("443 ssl", "a.test", "/a"), server("443 ssl", r"~^b\d\.test$", "/b")],
         ["https 0.0.0.0 443 | a.test | /a.crt key:/a.key", f"tls  0 | /b.crt key:/b.key | unread: {PATTERN}"]),
        ([server("443 ssl", "www.*", "/a")], ["https 0.0.0.0 443 | /a.crt key:/a.key"]),
        ([server("443 ssl; listen 8443 ssl", "_", "/a"), server("443 default_server", "b.test", "/b")],
         ["https 0.0.0.0 8443 | /a.crt key:/a.key", "https 0.0.0.0 443 | b.test | /b.crt key:/b.key"]),
        ([server("443 ssl", "", "/a"), server("443 ssl", "b.test")],
         ["https 0.0.0.0 443 | /a.crt key:/a.key", "https 0.0.0.0 443 | b.test | /a.crt key:/a.key"]),
        ([server("[::]:443 ssl ipv6only=off", "a.test", "/a"), server("[::]:443", "b.test", "/b")],
         ["https 0.0.0.0,:: 443 | a.test | /a.crt key:/a.key", "https 0.0.0.0,:: 443 | b.test | /b.crt key:/b.key"]),
        ([server("127.0.0.1:8000-8001 ssl", "a.test", "/a")],
         ["https 127.0.0.1 8000 | a.test | /a.crt key:/a.key", "https 127.0.0.1 8001 | a.test | /a.crt key:/a.key"]),
        ([server("443 ssl", "*.a.test", BY_NAME), server("443 ssl default_server", "", REFUSED)],
         [f"https 0.0.0.0 443 | any-label.a.test | unread: {UNKNOWN_FILE}"]),
        ([server("443 quic; listen 443 ssl", "a.test", "/a"), server("8443 quic", "b.test", "/b")],
         ["https 0.0.0.0 443 | a.test | /a.crt key:/a.key",
          "tls  0 | unread: nginx serves QUIC alone at port 8443: it is not audited there"]),
    ],
    ids=["wildcard before default", "wildcard as default", "wildcard and name", "nameless and not default",
         "name of the host", "expression and not default", "pattern as default", "default by socket",
         "certificate of default", "options of socket", "range of ports", "file by unknown name", "QUIC"],
)  # fmt: skip
def test_server_is_read_with_names_and_certificate_that_it_serves(servers: list[str], expected: list[str]) -> None:
    assert described(read(*servers)).splitlines() == expected


def test_proxy_protocol_of_one_server_applies_to_its_socket() -> None:
    listeners = read(
        server("9443 ssl proxy_protocol", "a.test", "/a"),
        server("9443 ssl", "b.test", "/b"),
        server("443 ssl", "", "/d"),
    )
    assert [(listener.port, listener.proxy_protocol) for listener in listeners] == [
        (9443, "always"), (9443, "always"), (443, "never"),
    ]  # fmt: skip


THROUGH: Final = "unread: nginx passes TLS at port {} through to other servers, which have the certificates"


@pytest.mark.parametrize(
    ("proxy_pass", "port", "expected"),
    [
        ("$backend", 443, f"https 0.0.0.0 443 | a.test b.test any-label.c.test | {THROUGH.format(443)}"),
        ("$backend", 5061, f"tls 0.0.0.0 5061 | a.test b.test any-label.c.test | {THROUGH.format(5061)}"),
        ("$other", 443, f"tls  0 | {THROUGH.format(443)}"),
        ("127.0.0.1:8443", 443, f"tls  0 | {THROUGH.format(443)}"),
    ],
    ids=["map of names", "another port", "another map", "one server"],
)
def test_tls_that_nginx_passes_through_has_the_names_of_its_map(proxy_pass: str, port: int, expected: str) -> None:
    names = r"hostnames; a.test x:1; .b.test x:1; *.c.test x:2; www.* x:3; ~^d\d x:4; default x:5;"
    table = f"map $ssl_preread_server_name $backend {{ {names} }} map $remote_addr $other {{ default x:6; }}"
    stream = f"{table} server {{ listen {port}; ssl_preread on; proxy_pass {proxy_pass}; }} server {{ listen 53; }}"
    text = f"# configuration file /n.conf:\nstream {{ {stream} }}\n"
    assert described(nginx.read(dump(dump=text))).splitlines() == [expected]


def test_listen_with_a_host_name_has_the_addresses_that_nginx_bound() -> None:
    servers = server("web.test:443 ssl", "a.test", "/a"), server("192.0.2.1:443 ssl", "b.test", "/b")
    text = f"# configuration file /etc/nginx/nginx.conf:\nhttp {{ {' '.join(servers)} }}\n"
    bound = (("192.0.2.1", 443), ("192.0.2.7", 443), ("192.0.2.8", 80))
    listeners = nginx.read(replace(dump(dump=text), ports=bound))
    assert [listener.addresses for listener in listeners] == [("192.0.2.7",), ("192.0.2.1",)]
    assert [listener.addresses for listener in nginx.read(dump(dump=text))] == [("web.test",), ("192.0.2.1",)]


def test_host_name_variable_is_replaced_by_the_name_of_the_host() -> None:
    text = f"# configuration file /etc/nginx/nginx.conf:\nhttp {{ {server('443 ssl', '$hostname', '/a')} }}\n"
    (listener,) = nginx.read(dump(dump=text, host_name="Web1.Example.TEST\n"))
    assert listener.names == ("web1.example.test",)


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        (r"^(www\.)?example\.com$", ("example.com",)),
        (r"^(?:a|b)\.example\.(com|org)$", ("a.example.com", "a.example.org", "b.example.com", "b.example.org")),
        (r"^(?<sub>.+)\.example\.com$", ("any-label.example.com",)),
        (r"^[^.]+\.example\.com$", ("any-label.example.com",)),
        (r"^(?P<x>[a-z-]+)\.Example\.com", ("any-label.example.com",)),
        (r"^(\w+)\.example\.com$", ()),
        (r"^www\.(.+)$", ()),
        (r"^shop\d\.example\.com$", ()),
        (r"^(a\.example\.com$", ()),
        (r"^a)\.example\.com$", ()),
        ("(a|b)" * 40 + r"\.example\.com", ()),
        ("", ()),
    ],
)
def test_names_that_match_an_expression_are_found(expression: str, names: tuple[str, ...]) -> None:
    assert names_matching(expression) == names


def test_server_of_an_expression_has_the_names_that_match() -> None:
    listeners = read(
        server("443 ssl", "a.test *.c.test", "/a"),
        server("443 ssl", r"~^(?:www|m)\.b\.test$ ~^(.+)\.c\.test$", "/b"),
        server("443 ssl", r"m.b.test ~^(.+)\.c\.test$", "/c"),
        server("443 ssl", r"~^(b|d)\.test$", "/d"),
    )
    assert [listener.names for listener in listeners] == [
        ("a.test",), ("www.b.test",), ("m.b.test",), ("b.test", "d.test"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("own", "addresses"),
    [
        (("192.0.2.10", "198.51.100.7", "127.0.0.1", "::1"), [("198.51.100.7",), ("192.0.2.10",), ("::",)]),
        (("192.0.2.10", "127.0.0.1", "::1"), [("127.0.0.1",), ("192.0.2.10",), ("::",)]),
        ((), [("0.0.0.0",), ("192.0.2.10",), ("::",)]),
    ],
    ids=["others are left", "loopback is left", "unknown addresses"],
)
def test_address_with_a_socket_of_its_own_is_not_one_of_the_wildcard(
    own: tuple[str, ...], addresses: list[tuple[str, ...]]
) -> None:
    places = (("443", "a"), ("192.0.2.10:443", "b"), ("[::]:8443", "c"))
    servers = "".join(f"server {{ listen {place} ssl; server_name {name}.test; }}" for place, name in places)
    text = f"# configuration file /n.conf:\nhttp {{ {servers} }}\n"
    listeners = nginx.read(replace(dump(dump=text), addresses=own))
    assert [listener.addresses for listener in listeners] == addresses
