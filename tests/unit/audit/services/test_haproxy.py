"""Tests of the reader of haproxy: sockets, words, conditional blocks and what is unread."""

from __future__ import annotations

from typing import Final

import pytest

from audit.services import haproxy
from audit.services.haproxy.syntax import split_words
from audit.services.model import ConfigDump, Listener
from audit.services.virtual_hosts import docroot_of
from tests.support.config_dumps import described, dump, paths

MAIN: Final = "# configuration file /etc/haproxy/haproxy.cfg:\n"
DEBIAN: Final = f"""{MAIN}global
	log /dev/log	local0
	chroot /var/lib/haproxy
	stats socket /run/haproxy/admin.sock mode 660 level admin
	user haproxy
	# Default SSL material locations
	ca-base /etc/ssl/certs
	crt-base /etc/ssl/private
        ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets

defaults
	log	global
	mode	http
        timeout client  50000
	errorfile 400 /etc/haproxy/errors/400.http
"""
FRONTEND: Final = "frontend web\n mode http\n bind "


def frontend(bind: str, *, before: str = "", **sections: str) -> ConfigDump:
    """Return a dump whose one frontend has this `bind`."""
    return dump(files=f"{MAIN}{before}\n{FRONTEND}{bind}\n", **sections)


def listed(*paths: str) -> str:
    """Return the host's list of a directory."""
    return "\n".join([f"# directory {paths[0].rpartition('/')[0]}", *paths])


def unread(listeners: tuple[Listener, ...]) -> str:
    return "\n".join(dict.fromkeys(reason for listener in listeners for reason in listener.unread))


TWO_BLOCKS = ".if {}\nfrontend f\n bind :1 ssl crt /c/a.pem\n.else\nfrontend f\n bind :2 ssl crt /c/a.pem\n.endif\n"
ORDERED = (
    "# configuration file /etc/haproxy/b.cfg:\nfrontend f\n bind :443 ssl crt /c/a.pem\n"
    "# configuration file /etc/haproxy/conf/1.cfg:\ndefaults\n mode tcp\n"
    "# configuration file /etc/haproxy/conf/2.cfg:\ndefaults\n mode http\n"
)
PLAIN = "frontend f\n mode tcp\n bind :443 name ssl\n default_backend b\n"
BACKEND = "backend b\n server s 192.0.2.1:443 ssl crt /c/client.pem\n"
STATS = "global\n stats socket ipv4@127.0.0.1:9999 level admin ssl crt /c/a.pem\n stats socket /run/a.sock\n"
DECIDED = "unread: haproxy decides at its start whether 'version_atleast(2.4)' holds: both branches are read"
UNTRUSTED = "unread: the command line of haproxy, which names its configuration, cannot be trusted"
DENIED = "unread: may not read /etc/haproxy/b.cfg"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (dump(files=DEBIAN, words="/usr/sbin/haproxy\n-Ws\n-f\n/etc/haproxy/haproxy.cfg"), ""),
        (dump(), ""),
        (frontend("[::]:443 v6only ssl crt /c/a.pem"), "https :: 443 | /c/a.pem key:/c/a.pem\n"),
        (frontend("lb.example.com:443 ssl crt /c/a.pem"),
         ("https 0.0.0.0,:: 443 | /c/a.pem key:/c/a.pem"
         " | unread: haproxy looks up the address 'lb.example.com' when it starts\n")),
        (frontend('"${HOST}:${PORT}" ssl crt "$CERTS/${NAME-a}.pem"', environment="HOST=192.0.2.1\nPORT=8443",
                  before="global\n setenv CERTS /c\n presetenv PORT 1"),
         "https 192.0.2.1 8443 | /c/a.pem key:/c/a.pem\n"),
        (dump(files=MAIN + PLAIN + BACKEND), ""),
        (dump(files=MAIN + STATS), "tls 127.0.0.1 9999 | /c/a.pem key:/c/a.pem\n"),
        (dump(files=ORDERED, words="haproxy\n-W\n-f\n/etc/haproxy/conf\n--\n/etc/haproxy/b.cfg"),
         "https 0.0.0.0 443 | /c/a.pem key:/c/a.pem\n"),
        (dump(files=MAIN + TWO_BLOCKS.format("version_atleast(2.4)")),
         (f"tls 0.0.0.0 1 | /c/a.pem key:/c/a.pem | {DECIDED}\ntls 0.0.0.0 2 | /c/a.pem key:/c/a.pem | {DECIDED}\n"
         f"tls  0 | {DECIDED}\n")),
        (dump(files=f"# cannot read /etc/haproxy/b.cfg\n{MAIN}{FRONTEND}:443 ssl crt /c/a.pem\n"),
         f"https 0.0.0.0 443 | /c/a.pem key:/c/a.pem | {DENIED}\ntls  0 | {DENIED}\n"),
        (frontend(":443 ssl crt /c/a.pem", since="123"),
         f"https 0.0.0.0 443 | /c/a.pem key:/c/a.pem | {UNTRUSTED}\ntls  0 | {UNTRUSTED}\n"),
    ],
    ids=["default of Debian", "empty dump", "v6only", "address that is a name", "variables", "without TLS",
         "stats socket", "order of the command line", "condition that is decided at the start",
         "file that may not be read", "command line that is not trusted"],
)  # fmt: skip
def test_configuration_is_read_as_haproxy_reads_it(config: ConfigDump, expected: str) -> None:
    assert described(haproxy.read(config)) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (":443", [("0.0.0.0", 443)]),
        ("*:443", [("0.0.0.0", 443)]),
        ("ipv4@*:443", [("0.0.0.0", 443)]),
        ("192.0.2.1:443,192.0.2.2:8443", [("192.0.2.1", 443), ("192.0.2.2", 8443)]),
        ("[::]:443", [("0.0.0.0", 443), ("::", 443)]),
        (":::443", [("0.0.0.0", 443), ("::", 443)]),
        ("ipv6@:443", [("0.0.0.0", 443), ("::", 443)]),
        ("2001:db8::1:443", [("2001:db8::1", 443)]),
        ("[2001:db8::1]:443", [("2001:db8::1", 443)]),
        ("ip@192.0.2.1:443", [("192.0.2.1", 443)]),
        ("stream+ipv4@192.0.2.1:443", [("192.0.2.1", 443)]),
        ("192.0.2.1%eth0:443", [("192.0.2.1", 443)]),
        ("localhost:443", [("127.0.0.1", 443)]),
        (":8001-8003", [("0.0.0.0", 8001), ("0.0.0.0", 8002), ("0.0.0.0", 8003)]),
        ("quic4@:443", []),
        ("udp@:443", []),
    ],
)
def test_bind_has_addresses_and_ports(address: str, expected: list[tuple[str, int]]) -> None:
    listeners = haproxy.read(frontend(f"{address} ssl crt /c/a.pem"))
    assert [(bound, listener.port) for listener in listeners for bound in listener.addresses] == expected
    assert unread(listeners) == ""


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("unix@/run/tls.sock", "not a TCP socket"),
        ("/run/tls.sock", "not a TCP socket"),
        ("abns@tls", "not a TCP socket"),
        ("fd@3", "inherits the socket fd@3"),
        ('"${ADDRESS}:443"', "from a variable"),
        ("192.0.2.1", "not an address and a port"),
        (":0", "not an address and a port"),
        (":1-70000", "not an address and a port"),
        (":1000-1064", "65 ports"),
    ],
)
def test_socket_that_is_not_audited_is_unread_and_keeps_its_file(address: str, reason: str) -> None:
    listeners = haproxy.read(frontend(f"{address} ssl crt /c/a.pem"))
    assert reason in unread(listeners)
    assert {path for listener in listeners for _, path in paths(listener)} == {"/c/a.pem"}
    assert listeners[-1].port == 0


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (" bind :443 ssl crt /c/a.pem accept-proxy\n", "always"),
        (" tcp-request connection expect-proxy layer4 if { src 192.0.2.1 }\n bind :443 ssl crt /c/a.pem\n",
         "some-clients"),
        (" bind :443 ssl crt /c/a.pem\n", "never"),
    ],
)  # fmt: skip
def test_bind_names_the_clients_that_send_the_proxy_protocol(lines: str, expected: str) -> None:
    (listener,) = haproxy.read(dump(files=f"{MAIN}frontend f\n{lines}"))
    assert (listener.proxy_protocol, unread((listener,))) == (expected, "")


def test_64_ports_of_a_range_are_read() -> None:
    assert len(haproxy.read(frontend(":1000-1063 ssl crt /c/a.pem"))) == 64


def test_variable_outside_of_double_quotes_is_text() -> None:
    assert split_words("a ${B} '${B}' \"${B}\" # c", {"B": "x y"}, is_complete=True) == ("a", "${B}", "${B}", "x y")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"a\ b \# \\ c", ("a b", "#", "\\", "c")),
        (r""""a \"b\" c"d 'e "f"'""", ('a "b" cd', 'e "f"')),
        (r"path_reg ^/\.well", ("path_reg", r"^/\.well")),
        (r'"\x41\$B"', ("A$B",)),
        ("a#b c", ("a",)),
        ('"open', ("open",)),
        ("", ()),
    ],
)
def test_line_is_split_into_words_as_haproxy_splits_it(text: str, words: tuple[str, ...]) -> None:
    assert split_words(text, {}, is_complete=True) == words


@pytest.mark.parametrize(
    ("section", "scheme"),
    [
        ("defaults\n mode http\nfrontend f\n", "https"),
        ("frontend f\n", "tls"),
        ("defaults a\n mode http\ndefaults b\n mode tcp\nlisten f from a\n", "https"),
        ("defaults a\n mode http\ndefaults b from a\n log global\nfrontend f\n", "https"),
        ("defaults\n mode http\ndefaults\n log global\nfrontend f\n", "tls"),
        ("defaults\n mode http\nfrontend f\n mode tcp\n", "tls"),
        ("defaults\n mode http\npeers p\n", "tls"),
    ],
)
def test_scheme_follows_the_mode_of_the_section_or_its_defaults(section: str, scheme: str) -> None:
    (listener,) = haproxy.read(dump(files=f"{MAIN}{section} bind :443 name ssl ssl crt /c/a.pem\n"))
    assert listener.scheme == scheme


@pytest.mark.parametrize(
    ("condition", "ports"),
    [
        (".if 1\n{a}.else\n{b}.endif", [1]),
        (".if 0\n{a}.elif 0\n{a}.else\n{b}.endif", [2]),
        (".if !defined(X)\n{a}.else\n{b}.endif", [2]),
        (".if streq(a,b)\n{a}.elif strneq(a,b)\n{b}.else\n{a}.endif", [2]),
        (".if 0\n.if 1\n{a}.endif\n.endif\n{b}", [2]),
        (".else\n.endif\n{a}", [1]),
    ],
)
def test_conditional_blocks_are_decided(condition: str, ports: list[int]) -> None:
    blocks = {"a": "frontend a\n bind :1 ssl crt /c/a.pem\n", "b": "frontend b\n bind :2 ssl crt /c/b.pem\n"}
    listeners = haproxy.read(dump(files=MAIN + condition.format(**blocks), environment="X=1"))
    assert [listener.port for listener in listeners] == ports
    assert unread(listeners) == ""


def test_plain_socket_is_a_website_without_docroot() -> None:
    files = f"""{MAIN}frontend web
 mode http
 bind :80
 bind :443 ssl crt /c/a.pem
 bind /run/web.sock
 http-request return status 200 if {{ path_beg /.well-known/acme-challenge/ }}
"""
    sites = haproxy.read_websites(dump(files=files))
    assert [(site.port, site.addresses) for site in sites] == [(80, ("0.0.0.0",))]
    why = "haproxy responds itself or passes the request to another server, by its section `frontend web`"
    assert docroot_of(sites, "www.example.com") == why
    assert haproxy.read_websites(dump()) == ()


@pytest.mark.parametrize(
    "text",
    [
        f"{FRONTEND}:1-65535 ssl crt /c\n" * 300,
        FRONTEND + ":443 ssl" + " crt /c" * 20_000,
        "frontend " + '"' * 30_000,
        "\\" * 30_000,
        ".if 1\n" * 3_000,
        ".if " + "!" * 30_000,
        'setenv A "$A$A$A$A"\n' * 40 + f'{FRONTEND}"$A:443" ssl crt "$A"\n',
        '"' + "${" * 30_000,
        f"{FRONTEND}{'@' * 1000}{':' * 1000}{'1' * 5000} ssl crt {'[' * 10_000}\n",
        "crt-store\n" + " load crt /c/a.pem alias b\n" * 3_000,
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_hostile_configuration_is_read_within_limits(text: str) -> None:
    config = dump(files=MAIN + text, directories=listed(*(f"/c/{number}.pem" for number in range(500))), environment="")
    listeners = haproxy.by_certificate(config, {}, "lb.example.com")
    assert len(listeners) <= 20_001
    assert len(haproxy.read_websites(config)) <= 20_000


@pytest.mark.parametrize("bind", [":443 ssl crt /c/a.pem", ":443 ssl crt /c/a.crt key /c/a.key"])
def test_haproxy_prompts_for_the_passphrase_of_each_key(bind: str) -> None:
    files = [file for listener in haproxy.read(frontend(bind)) for file in listener.files]
    assert {(file.kind, file.is_prompted) for file in files} == {("certificate", False), ("key", True)}
