"""Tests of the reader of apache: forms of configurations that are met on hosts, as apache 2.4 serves them."""

from __future__ import annotations

from typing import Final

import pytest

from audit.observation.website import Docroot
from audit.services import apache
from tests.support.config_dumps import described, dump

STATIC: Final = "Compiled in modules:\n  core.c\n  mod_so.c\n  http_core.c\n"
BUILT: Final = "Server version: Apache/2.4.62 (Debian)\n"


def host(at: str, name: str, *lines: str) -> str:
    return "\n".join((f"<VirtualHost {at}>", f"ServerName {name}", *lines, "</VirtualHost>"))


def pem(stem: str) -> str:
    return f"SSLCertificateFile {stem}.crt\nSSLCertificateKeyFile {stem}.key"


def read(*lines: str, **files: str) -> list[str]:
    """Return the listeners in apache2.conf with these lines, and in further files."""
    parts = ["# configuration file /etc/apache2/apache2.conf:", *lines]
    for name, text in files.items():
        parts += [f"# configuration file /etc/apache2/{name.replace('_', '/')}.conf:", text]
    dumped = dump(files="\n".join(parts), base="/etc/apache2", static=STATIC, built=BUILT)
    return described(apache.read(dumped)).splitlines()


ANYWHERE: Final = "https 0.0.0.0,::"


@pytest.mark.parametrize(
    ("listen", "hosts", "expected"),
    [
        ("Listen 443", [host("*:443", "a.test", pem("/a"))], [f"{ANYWHERE} 443 | a.test | /a.crt key:/a.key"]),
        ("Listen 443", [host("127.0.0.1:443", "a.test", pem("/a"))], []),
        ("Listen 443", [host("0.0.0.0:443", "a.test", pem("/a"))], []),
        ("Listen 127.0.0.1:443", [host("*:443", "a.test", pem("/a"))], []),
        ("Listen 127.0.0.1:443", [host("127.0.0.1:443", "a.test", pem("/a"))],
         ["https 127.0.0.1 443 | a.test | /a.crt key:/a.key"]),
        ("Listen 443 http", [host("*:443", "a.test", pem("/a"))], []),
        ("Listen 8443 https", [host("_default_:8443", "a.test", pem("/a"))],
         [f"{ANYWHERE} 8443 | a.test | /a.crt key:/a.key"]),
        ("Listen 8443 https", [host("*", "a.test", pem("/a"))], []),
        ("Listen 8443 https", [host("*:8443", "a.test")], []),
        ("Listen 8443 https", [pem("/d"), host("*:8443", "a.test")],
         [f"{ANYWHERE} 8443 | a.test | /d.crt key:/d.key"]),
        ("Listen 443", [host("*:443", "a.test", "SSLEngine off", pem("/a"))], []),
        ("Listen 443", [pem("/d")], []),
        ("Listen 443", [pem("/d"), "SSLEngine on"], [f"{ANYWHERE} 443 | /d.crt key:/d.key"]),
        ("Listen 443", [host("*:443", "a.test"), host("*:443", "b.test", "SSLEngine on", pem("/b"))], []),
        ("Listen 443", [host("*:443", "a.test", "SSLEngine on", pem("/a")), host("*:443", "b.test", pem("/b"))],
         [f"{ANYWHERE} 443 | a.test | /a.crt key:/a.key", f"{ANYWHERE} 443 | b.test | /b.crt key:/b.key"]),
        ("Listen 80\nListen 443", [host("*:80 *:443", "a.test", pem("/a"))], []),
    ],
    ids=["port 443", "host of one address", "host of 0.0.0.0", "socket of one address",
         "host and socket of one address", "port 443 for HTTP", "another port for HTTPS", "host of any port",
         "no certificate", "certificate of the main server", "switched off", "main server", "main server, switched on",
         "first host decides", "second host", "first address decides"],
)  # fmt: skip
def test_tls_without_its_switch_is_that_of_the_socket(listen: str, hosts: list[str], expected: list[str]) -> None:
    assert read(listen, *hosts) == expected


MACRO: Final = "<Macro Site $name %x>\n" + host("*:443", "$name", pem("/%x")) + "\n</Macro>"
A: Final = [f"{ANYWHERE} 443 | a.test | /a.crt key:/a.key"]


@pytest.mark.parametrize(
    ("lines", "files"),
    [
        ([MACRO, "Use Site a.test a"], {}),
        ([MACRO, "<Macro Two $n>\nUse Site $n a\n</Macro>", "USE two a.test"], {}),
        (["Define WITH", "<IfDefine WITH>", host("*:443", "a.test", pem("/a")), "</IfDefine>"], {}),
        (["<IfDefine WITH>\nInclude no.conf\n</IfDefine>", "Define WITH", host("*:443", "a.test", pem("/a"))],
         {"no": host("*:443", "no.test", pem("/no"))}),
        (["Define DIR /etc/apache2/extra", "Include ${DIR}/*.conf"], {"extra_a": host("*:443", "a.test", pem("/a"))}),
        (["<IfModule none_module>", host("*:443", "no.test", pem("/no")), "</IfModule>",
          "<IfModule !mod_none.c>", host("*:443", "a.test", pem("/a")), "</IfModule>"], {}),
        (["LoadModule ssl_module modules/mod_ssl.so", "<IfModule mod_ssl.c>\n<IfModule ssl_module>",
          host("*:443", "a.test", pem("/a")), "</IfModule>\n</IfModule>"], {}),
        (["<IfVersion < 2.4>", host("*:443", "no.test", pem("/no")), "</IfVersion>",
          "<IfVersion >= 2.4.10>", host("*:443", "a.test", pem("/a")), "</IfVersion>"], {}),
    ],
    ids=["macro", "macro in a macro", "defined name", "name defined later", "include by a variable",
         "module not loaded", "loaded module", "version"],
)  # fmt: skip
def test_files_are_read_as_apache_resolves_them(lines: list[str], files: dict[str, str]) -> None:
    assert read("Listen 443", *lines, **files) == A


def test_include_by_an_unknown_variable_is_reported() -> None:
    assert read("Include ${DIR}/*.conf") == [
        "tls  0 | unread: apache includes '${DIR}/*.conf', which contains an unknown variable"
    ]


def test_dump_of_apache_comes_before_its_files() -> None:
    resolved = f"# In file: /etc/apache2/ports.conf\nListen 443\n{host('*:443', 'a.test', pem('a'))}\nSyntax OK\n"
    other = f"# configuration file /etc/apache2/apache2.conf:\nListen 443\n{host('*:443', 'other.test', pem('/o'))}"
    listeners = apache.read(dump(config=resolved, files=other, base="/etc/apache2"))
    assert described(listeners).splitlines() == [f"{ANYWHERE} 443 | a.test | /etc/apache2/a.crt key:/etc/apache2/a.key"]
    assert described(apache.read(dump(config="Syntax OK", files=other))).splitlines() == [
        f"{ANYWHERE} 443 | other.test | /o.crt key:/o.key"
    ]


def test_host_without_a_folder_has_the_one_that_apache_reports() -> None:
    files = f"# configuration file /etc/apache2/apache2.conf:\nListen 80\n{host('*:80', 'noroot.example.net')}"
    reported = 'ServerRoot: "/etc/apache2"\nMain DocumentRoot: "/var/www/html"\n'
    (site,) = apache.SERVICE.websites(dump(files=files, run_cfg=reported))
    assert (site.names, site.docroot) == (("noroot.example.net",), Docroot("/var/www/html"))


def test_wildcard_without_a_name_is_requested_by_a_label() -> None:
    site = host("*:443", "*.apps.test", pem("/a"))
    assert read("Listen 443", site) == [f"{ANYWHERE} 443 | any-label.apps.test | /a.crt key:/a.key"]


STORE: Final = "/etc/apache2/md/domains"


@pytest.mark.parametrize(
    ("lines", "files"),
    [
        (["MDomain a.test www.a.test auto"], [f"{STORE}/a.test/pubcert.pem key:{STORE}/a.test/privkey.pem"]),
        (["MDomain b.test www.b.test A.test"], [f"{STORE}/b.test/pubcert.pem key:{STORE}/b.test/privkey.pem"]),
        (["MDPrivateKeys RSA 2048 P-256", "<MDomainSet a.test>\nMDMember www.a.test\n</MDomainSet>"],
         [f"{STORE}/a.test/pubcert.pem key:{STORE}/a.test/privkey.pem",
          f"{STORE}/a.test/pubcert.p-256.pem key:{STORE}/a.test/privkey.p-256.pem"]),
        (["MDStoreDir /srv/md", "MDomain a.test"],
         ["/srv/md/domains/a.test/pubcert.pem key:/srv/md/domains/a.test/privkey.pem"]),
        (["MDomain other.test"], ["/a.crt key:/a.key"]),
    ],
    ids=["domain", "first name", "two types of keys", "other directory", "another domain"],
)  # fmt: skip
def test_host_of_a_managed_domain_has_the_files_of_mod_md(lines: list[str], files: list[str]) -> None:
    assert read("Listen 443", *lines, host("*:443", "a.test", pem("/a"))) == [
        f"{ANYWHERE} 443 | a.test | {' '.join(files)}"
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("RemoteIPProxyProtocol On", "always"),
        ("RemoteIPProxyProtocol Optional", "never"),
        ("RemoteIPProxyProtocol On\nRemoteIPProxyProtocolExceptions 127.0.0.1", "some-clients"),
        ("", "never"),
    ],
)
def test_header_of_the_proxy_protocol_is_expected_as_configured(lines: str, expected: str) -> None:
    site = host("*:443", "a.test", pem("/a"), lines)
    (listener,) = apache.read(dump(files=f"# configuration file /etc/apache2/apache2.conf:\nListen 443\n{site}"))
    assert listener.proxy_protocol == expected


@pytest.mark.parametrize(
    ("dialog", "is_prompted"),
    [
        ("", True),
        ("SSLPassPhraseDialog builtin", True),
        ('SSLPassPhraseDialog "exec:/etc/ssl/print-passphrase"', False),
        ("SSLPassPhraseDialog |/etc/ssl/print-passphrase", False),
        ("SSLOpenSSLConfCmd Curves X25519\nInclude ${UNKNOWN}/ssl.conf", False),
    ],
)
def test_passphrase_of_a_key_is_asked_for_unless_a_program_prints_it(dialog: str, *, is_prompted: bool) -> None:
    lines = (
        "# configuration file /etc/apache2/apache2.conf:",
        dialog,
        "Listen 443",
        host("*:443", "a.test", pem("/a")),
    )
    dumped = dump(files="\n".join(lines), base="/etc/apache2", static=STATIC, built=BUILT)
    (listener,) = apache.read(dumped)
    assert [(file.kind, file.is_prompted) for file in listener.files] == [("certificate", False), ("key", is_prompted)]
