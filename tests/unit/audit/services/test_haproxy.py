"""Tests of the reader of haproxy: sockets, certificates beside one another, lists, stores, names and what is unread."""

from __future__ import annotations

from typing import Final

import pytest

from audit.services import haproxy
from audit.services.haproxy.syntax import split_words
from audit.services.model import ANY, CertificateFacts, ConfigDump, Listener
from audit.services.virtual_hosts import docroot_of
from tests.support.config_dumps import brief, dump, paths

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


def served(config: ConfigDump, **names: str) -> dict[str, list[str]]:
    """Return the certificates by name; `a_pem="x y"` gives the names in `/c/a.pem`, the host is `lb.example.com`."""
    facts = {
        f"/c/{file.replace('_', '.')}": CertificateFacts(tuple(text.split()), "EC") for file, text in names.items()
    }
    listeners = haproxy.by_certificate(config, facts, "lb.example.com")
    return {
        name: [path.removeprefix("/c/") for kind, path in paths(listener) if kind == "certificate"]
        for listener in listeners
        if listener.port
        for name in listener.names or ("-",)
    }


def unread(listeners: tuple[Listener, ...]) -> str:
    return "\n".join(dict.fromkeys(reason for listener in listeners for reason in listener.unread))


def test_default_configuration_of_debian_has_no_listener() -> None:
    assert haproxy.read(dump(files=DEBIAN, words="/usr/sbin/haproxy\n-Ws\n-f\n/etc/haproxy/haproxy.cfg")) == ()


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


def test_wildcard_of_ipv6_with_v6only_excludes_ipv4() -> None:
    (listener,) = haproxy.read(frontend("[::]:443 v6only ssl crt /c/a.pem"))
    assert listener.addresses == ("::",)


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
        (":1000-2000", "1001 ports"),
        (":443 accept-proxy", "the PROXY protocol at port 443"),
    ],
)
def test_socket_that_is_not_audited_is_unread_and_keeps_its_file(address: str, reason: str) -> None:
    listeners = haproxy.read(frontend(f"{address} ssl crt /c/a.pem"))
    assert reason in unread(listeners)
    assert {path for listener in listeners for _, path in paths(listener)} == {"/c/a.pem"}
    assert listeners[-1].port == 0


def test_address_that_is_a_name_is_unread_and_stays_an_endpoint() -> None:
    (listener,) = haproxy.read(frontend("lb.example.com:443 ssl crt /c/a.pem"))
    assert (listener.port, listener.addresses) == (443, ANY)
    assert "looks up the address 'lb.example.com'" in listener.unread[0]


def test_variables_of_the_process_and_of_the_configuration_are_used() -> None:
    before = "global\n setenv CERTS /c\n presetenv PORT 1"
    config = frontend(
        '"${HOST}:${PORT}" ssl crt "$CERTS/${NAME-a}.pem"', before=before, environment="HOST=192.0.2.1\nPORT=8443"
    )
    (listener,) = haproxy.read(config)
    assert (listener.port, listener.addresses, paths(listener)[0][1]) == (8443, ("192.0.2.1",), "/c/a.pem")


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


def test_certificate_whose_path_depends_on_an_unknown_variable_is_unread() -> None:
    (listener,) = haproxy.read(frontend(':443 ssl crt "${CERTS}/a.pem" crt /c/b.pem'))[:1]
    assert "'${CERTS}/a.pem'" in listener.unread[0]


def test_relative_path_without_base_is_unread() -> None:
    (listener,) = haproxy.read(frontend(":443 ssl crt a.pem"))
    assert "takes a certificate from 'a.pem'" in listener.unread[0]


@pytest.mark.parametrize(
    ("before", "words", "path"),
    [
        ("global\n crt-base /c", "", "/c/a.pem"),
        ("global\n default-path config", "", "/etc/haproxy/a.pem"),
        ("global\n default-path parent", "", "/etc/a.pem"),
        ("global\n default-path origin /o\n crt-base c", "", "/o/c/a.pem"),
        ("", "haproxy\n-C\n/w\n-f\n/etc/haproxy/haproxy.cfg", "/w/a.pem"),
    ],
)
def test_relative_path_is_below_its_base(before: str, words: str, path: str) -> None:
    (listener,) = haproxy.read(frontend(":443 ssl crt a.pem", before=before, words=words))
    assert paths(listener) == [("certificate", path), ("key", path)]


def test_directory_is_all_its_files_but_hidden_and_reserved_ones() -> None:
    names = ("b.pem", "a.pem", ".x.pem", "a.pem.ocsp", "a.pem.issuer", "a.pem.sctl", "b.pem.key", "c")
    config = frontend(":443 ssl crt /c/", directories=listed(*(f"/c/{name}" for name in names)))
    found = [path for listener in haproxy.read(config) for _, path in paths(listener)]
    assert found == ["/c/a.pem", "/c/a.pem", "/c/b.pem", "/c/b.pem.key", "/c/c", "/c/c"]


def test_directory_that_was_not_listed_is_unread() -> None:
    refusals = "# cannot read /c: /c belongs to uid 1000\n# cannot read the rest: more than 400 paths"
    listeners = haproxy.read(frontend(":443 ssl crt /c/ crt /c/a.pem", directories=refusals))
    assert [paths(listener) for listener in listeners if listener.port] == [
        [],
        [("certificate", "/c/a.pem"), ("key", "/c/a.pem")],
    ]
    assert "haproxy loads certificates from /c, which was not listed: /c belongs to uid 1000" in unread(listeners)
    assert "not all directories of certificates were listed: more than 400 paths" in unread(listeners)


@pytest.mark.parametrize(
    ("setting", "files", "with_key", "expected"),
    [
        ("", ("/c/a.crt", "/c/a.crt.key"), "", ["/c/a.crt", "/c/a.crt.key"]),
        ("", ("/c/a.crt", "/c/a.crt.key"), "/c/a.crt", ["/c/a.crt", "/c/a.crt"]),
        ("", ("/c/a.crt", "/c/a.key"), "", ["/c/a.crt", "/c/a.crt"]),
        ("ssl-load-extra-del-ext", ("/c/a.crt", "/c/a.key"), "", ["/c/a.crt", "/c/a.key"]),
        ("ssl-load-extra-files none", ("/c/a.crt", "/c/a.crt.key"), "", ["/c/a.crt", "/c/a.crt"]),
        ("ssl-load-extra-files ocsp key", ("/c/a.crt", "/c/a.crt.key"), "", ["/c/a.crt", "/c/a.crt.key"]),
        ("", ("/c/a.crt.rsa", "/c/a.crt.ecdsa"), "", ["/c/a.crt.rsa"] * 2 + ["/c/a.crt.ecdsa"] * 2),
        ("ssl-load-extra-files key", ("/c/a.crt.rsa",), "", ["/c/a.crt"] * 2),
    ],
)
def test_key_and_bundle_are_found_beside_a_certificate(
    setting: str, files: tuple[str, ...], with_key: str, expected: list[str]
) -> None:
    before = f"global\n {setting}"
    config = frontend(":443 ssl crt /c/a.crt", before=before, directories=listed(*files), with_key=with_key)
    assert [path for listener in haproxy.read(config) for _, path in paths(listener)] == expected


def test_list_has_paths_options_and_filters() -> None:
    text = (
        "# configuration file /etc/haproxy/list:\ncert1.pem !*\n# comment\n\ncert2.pem [alpn h2,http/1.1]\n"
        "certW.pem                   *.domain.tld !secure.domain.tld\n"
        "certS.pem [curves X25519:P-256 ciphers ECDHE-ECDSA-AES256-GCM-SHA384] Secure.domain.tld\n"
    )
    config = frontend(":443 ssl crt-list /etc/haproxy/list", before="global\n crt-base /c", crt_lists=text)
    listeners = haproxy.read(config)
    assert [paths(listener)[0][1] for listener in listeners] == [f"/c/cert{name}.pem" for name in "12WS"]
    assert [listener.names for listener in listeners] == [(), (), (), ("secure.domain.tld",)]
    names = served(config, cert1_pem="one.example.com", cert2_pem="two.example.com", certW_pem="*.domain.tld")
    assert names == {"two.example.com": ["cert2.pem"], "secure.domain.tld": ["certS.pem"], "-": ["cert1.pem"]}


def test_list_that_was_not_read_is_unread_with_the_reason() -> None:
    text = "# cannot read /home/u/list belongs to uid 1000\n"
    listeners = haproxy.read(frontend(":443 ssl crt-list /home/u/list", crt_lists=text))
    assert "the crt-list /home/u/list of haproxy was not read: may not read /home/u/list belongs to uid" in unread(
        listeners
    )


def test_stores_give_certificates_names_of_their_own() -> None:
    before = """crt-store
 load crt "/c/site1.crt" key "/k/site1.key" alias "site1"
crt-store web
 crt-base /c/web/
 key-base /k/web
 load crt "site3.crt" alias "site3"
 load crt "site4.crt" key "site4.key"
"""
    config = frontend(
        ":443 ssl crt @/site1 crt /c/site1.crt crt @web/site3 crt @web/site4.crt crt @web/none", before=before
    )
    listeners = haproxy.read(config)
    assert [[path for _, path in paths(listener)] for listener in listeners] == [
        ["/c/site1.crt", "/k/site1.key"],
        ["/c/web/site3.crt", "/c/web/site3.crt"],
        ["/c/web/site4.crt", "/k/web/site4.key"],
        [],
    ]
    assert "@web/none" in listeners[-1].unread[0]


def test_names_are_those_in_the_certificates() -> None:
    config = frontend(":443 ssl crt /c/a.pem crt /c/b.pem")
    assert served(config, a_pem="a.example.com x.example.com", b_pem="b.example.com x.example.com") == {
        "a.example.com": ["a.pem"],
        "x.example.com": ["a.pem"],
        "b.example.com": ["b.pem"],
    }


def test_certificates_of_two_types_of_key_share_their_names() -> None:
    config = frontend(":443 ssl crt /c/rsa.pem crt /c/ec.pem crt /c/later.pem")
    facts = {
        "/c/rsa.pem": CertificateFacts(("a.example.com",), "RSA"),
        "/c/ec.pem": CertificateFacts(("a.example.com",), "EC"),
        "/c/later.pem": CertificateFacts(("a.example.com",), "EC"),
    }
    listeners = haproxy.by_certificate(config, facts, "lb.example.com")
    assert [path for kind, path in paths(listeners[0]) if kind == "certificate"] == ["/c/rsa.pem", "/c/ec.pem"]
    assert "haproxy has /c/later.pem for a.example.com, but no name of it is known" in unread(listeners[1:])


def test_wildcard_serves_requested_names_and_the_host_own_name() -> None:
    config = dump(
        files=f"{MAIN}{FRONTEND}:443 ssl crt /c/w.pem\n"
        " use_backend b if { req.hdr(host),lower -i a.example.com:443 -m str }\n"
        " acl other ssl_fc_sni -i c.example.org || always_true\n"
    )
    assert served(config, w_pem="*.example.com") == {"a.example.com": ["w.pem"], "lb.example.com": ["w.pem"]}


def test_certificate_without_a_known_name_is_unread_unless_default() -> None:
    config = frontend(":443 ssl crt /c/w.pem crt /c/v.pem")
    assert served(config, w_pem="*.example.net", v_pem="*.example.org") == {"-": ["w.pem"]}
    listeners = haproxy.by_certificate(config, {"/c/v.pem": CertificateFacts(("*.example.org",), "EC")}, "lb")
    assert "haproxy has /c/v.pem for *.example.org, but no name of it is known" in unread(listeners)


def test_default_certificate_with_strict_sni_is_for_no_other_name() -> None:
    config = frontend(":443 ssl strict-sni crt /c/w.pem")
    assert served(config, w_pem="*.example.net") == {}
    assert "the names in /c/w.pem, by which haproxy selects it" in unread(haproxy.by_certificate(config, {}, "lb"))


def test_certificate_that_cannot_be_read_may_be_for_any_requested_name() -> None:
    config = dump(
        files=f"{MAIN}{FRONTEND}:443 ssl crt /c/a.pem crt /c/b.pem\n acl w hdr(host) www.example.com a.example.com\n"
    )
    assert served(config, a_pem="a.example.com") == {"a.example.com": ["a.pem"], "www.example.com": ["b.pem"]}


def test_default_certificate_is_loaded_first() -> None:
    config = frontend(":443 ssl crt /c/a.pem default-crt /c/d.pem")
    assert [paths(listener)[0][1] for listener in haproxy.read(config)] == ["/c/d.pem", "/c/a.pem"]


def test_certificates_of_a_frontend_are_added_to_its_sockets() -> None:
    files = f"{MAIN}frontend web\n ssl-f-use crt /c/f.pem\n bind :443 ssl\n"
    assert paths(haproxy.read(dump(files=files))[0])[0] == ("certificate", "/c/f.pem")


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


def test_socket_without_tls_is_not_a_listener() -> None:
    files = f"{MAIN}frontend f\n mode tcp\n bind :443 name ssl\n default_backend b\n"
    backend = "backend b\n server s 192.0.2.1:443 ssl crt /c/client.pem\n"
    assert haproxy.read(dump(files=files + backend)) == ()


def test_stats_socket_with_tls_is_a_listener() -> None:
    files = f"{MAIN}global\n stats socket ipv4@127.0.0.1:9999 level admin ssl crt /c/a.pem\n stats socket /run/a.sock\n"
    assert brief(haproxy.read(dump(files=files))) == [("tls", 9999, ())]


def test_files_are_read_in_the_order_of_the_command_line() -> None:
    files = (
        "# configuration file /etc/haproxy/b.cfg:\nfrontend f\n bind :443 ssl crt /c/a.pem\n"
        "# configuration file /etc/haproxy/conf/1.cfg:\ndefaults\n mode tcp\n"
        "# configuration file /etc/haproxy/conf/2.cfg:\ndefaults\n mode http\n"
    )
    words = "haproxy\n-W\n-f\n/etc/haproxy/conf\n--\n/etc/haproxy/b.cfg"
    (listener,) = haproxy.read(dump(files=files, words=words))
    assert listener.scheme == "https"


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


def test_condition_that_haproxy_decides_at_its_start_is_unread() -> None:
    one, other = (f"frontend f\n bind :{port} ssl crt /c/a.pem\n" for port in (1, 2))
    listeners = haproxy.read(dump(files=f"{MAIN}.if version_atleast(2.4)\n{one}.else\n{other}.endif\n"))
    assert [listener.port for listener in listeners if listener.port] == [1, 2]
    assert "'version_atleast(2.4)' holds" in unread(listeners)


def test_file_that_may_not_be_read_is_unread() -> None:
    files = f"# cannot read /etc/haproxy/b.cfg\n{MAIN}{FRONTEND}:443 ssl crt /c/a.pem\n"
    assert "may not read /etc/haproxy/b.cfg" in unread(haproxy.read(dump(files=files)))


def test_command_line_that_is_not_trusted_is_unread() -> None:
    assert "cannot be trusted" in unread(haproxy.read(frontend(":443 ssl crt /c/a.pem", since="123")))


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


def test_empty_dump_has_no_listeners_and_no_websites() -> None:
    assert (haproxy.read(dump()), haproxy.read_websites(dump())) == ((), ())


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
