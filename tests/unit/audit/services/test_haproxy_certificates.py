"""Tests of the certificates of haproxy: beside one another, in lists and stores, and the names that they serve."""

from __future__ import annotations

import pytest

from audit.services import haproxy
from audit.services.model import CertificateFacts, ConfigDump
from tests.support.config_dumps import described, dump, paths
from tests.unit.audit.services.test_haproxy import FRONTEND, MAIN, frontend, listed, unread


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


RESERVED = ("b.pem", "a.pem", ".x.pem", "a.pem.ocsp", "a.pem.issuer", "a.pem.sctl", "b.pem.key", "c")
REFUSALS = "# cannot read /c: /c belongs to uid 1000\n# cannot read the rest: more than 400 paths"
STORES = """crt-store
 load crt "/c/site1.crt" key "/k/site1.key" alias "site1"
crt-store web
 crt-base /c/web/
 key-base /k/web
 load crt "site3.crt" alias "site3"
 load crt "site4.crt" key "site4.key"
"""
UNPLACED = "where it is depends on a variable or a directory of the process"
REST = "unread: not all directories of certificates were listed: more than 400 paths"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (frontend(':443 ssl crt "${CERTS}/a.pem" crt /c/b.pem'),
         (f"https 0.0.0.0 443 | unread: haproxy takes a certificate from '${{CERTS}}/a.pem': {UNPLACED}\n"
         "https 0.0.0.0 443 | /c/b.pem key:/c/b.pem\n")),
        (frontend(":443 ssl crt a.pem"),
         f"https 0.0.0.0 443 | unread: haproxy takes a certificate from 'a.pem': {UNPLACED}\n"),
        (frontend(":443 ssl crt /c/", directories=listed(*(f"/c/{name}" for name in RESERVED))),
         ("https 0.0.0.0 443 | /c/a.pem key:/c/a.pem\nhttps 0.0.0.0 443 | /c/b.pem key:/c/b.pem.key\n"
         "https 0.0.0.0 443 | /c/c key:/c/c\n")),
        (frontend(":443 ssl crt /c/ crt /c/a.pem", directories=REFUSALS),
         ("https 0.0.0.0 443 | unread: haproxy loads certificates from /c, which was not listed: /c belongs to uid 1000"
         f" {REST}\nhttps 0.0.0.0 443 | /c/a.pem key:/c/a.pem | {REST}\ntls  0 | {REST}\n")),
        (frontend(":443 ssl crt-list /home/u/list", crt_lists="# cannot read /home/u/list belongs to uid 1000\n"),
         ("https 0.0.0.0 443 | unread: the crt-list /home/u/list of haproxy was not read:"
         " may not read /home/u/list belongs to uid 1000\n")),
        (frontend(":443 ssl crt @/site1 crt /c/site1.crt crt @web/site3 crt @web/site4.crt crt @web/none",
                  before=STORES),
         ("https 0.0.0.0 443 | /c/site1.crt key:/k/site1.key\n"
         "https 0.0.0.0 443 | /c/web/site3.crt key:/c/web/site3.crt\n"
         "https 0.0.0.0 443 | /c/web/site4.crt key:/k/web/site4.key\nhttps 0.0.0.0 443 | unread:"
         " haproxy takes a certificate from @web/none, which no crt-store of its configuration has\n")),
        (frontend(":443 ssl crt @/s", before="crt-store\n load crt a.crt key /k/a.key alias s"),
         "https 0.0.0.0 443 | unread: haproxy takes a certificate from 'a.crt': " + UNPLACED + "\n"),
        (frontend(":443 ssl crt /c/a.pem default-crt /c/d.pem"),
         "https 0.0.0.0 443 | /c/d.pem key:/c/d.pem\nhttps 0.0.0.0 443 | /c/a.pem key:/c/a.pem\n"),
        (dump(files=f"{MAIN}frontend web\n ssl-f-use crt /c/f.pem\n bind :443 ssl\n"),
         "tls 0.0.0.0 443 | /c/f.pem key:/c/f.pem\n"),
    ],
    ids=["unknown variable", "relative without a base", "directory", "directory that was not listed",
         "list that was not read", "stores", "store with a relative path", "default first", "of the frontend"],
)  # fmt: skip
def test_certificate_is_read_or_named_as_unread(config: ConfigDump, expected: str) -> None:
    assert described(haproxy.read(config)) == expected


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


def test_common_name_that_no_client_can_request_is_not_a_name() -> None:
    facts = {path: CertificateFacts(("x.example.com", "example ltd."), "EC") for path in ("/c/a.pem", "/c/b.pem")}
    config = frontend(":443 ssl crt /c/a.pem crt /c/b.pem")
    listeners = haproxy.by_certificate(config, facts, "lb.example.com")
    assert [listener.names for listener in listeners if listener.port] == [("x.example.com",)]
