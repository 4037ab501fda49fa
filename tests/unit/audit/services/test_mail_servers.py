"""Tests of the readers of mail servers."""

from __future__ import annotations

import pytest

from audit.services import dovecot, exim, postfix
from tests.support.config_dumps import brief, dump, paths

DOVECOT = """# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf
listen = 192.0.2.1, [2001:db8::1]
protocols = imap submission
service imap-login {
  inet_listener imap {
    address =
    port = 0
  }
  inet_listener imaps {
    port = 10993
    ssl = yes
  }
  inet_listener webmail {
    address = 127.0.0.1
    port = 144
  }
}
service auth {
  inet_listener {
    port = 12345
  }
}
ssl = required
ssl_alt_cert = </etc/ssl/ec.crt
ssl_alt_key = </etc/ssl/ec.key
ssl_cert = </etc/ssl/mail.crt
ssl_key = </etc/ssl/mail.key
local_name imap.example.org {
  ssl_cert = </etc/ssl/org.crt
  ssl_key = </etc/ssl/org.key
}
local_name *.example.net {
  ssl_cert = </etc/ssl/net.crt
}
"""
DOVECOT_24 = """protocols = imap
ssl_server {
  cert_file = /etc/ssl/mail.crt
  key_file = /etc/ssl/mail.key
}
local_name imap.example.org {
  ssl_server_cert_file = /etc/ssl/org.crt
  ssl_server_key_file = /etc/ssl/org.key
}
"""
EXIM = """local_interfaces = <; [::]:25 ; 192.0.2.1.465 ; 192.0.2.1
daemon_smtp_ports = smtp : 587
tls_on_connect_ports = 465
tls_certificate = /t/${if eq{$tls_in_sni}{b.example.com}{b}{a}}.crt
tls_privatekey = /t/${if eq{$tls_in_sni}{b.example.com}{b}{a}}.key
"""
POSTFIX = {
    "main": "inet_interfaces = all\ninet_protocols = ipv4\nsmtpd_tls_cert_file = /c.crt\nsmtpd_tls_key_file = "
    "$smtpd_tls_cert_file\nsmtpd_tls_eccert_file =\n",
    "master": "smtp       inet  n       -       y       -       -       smtpd\n"
    "submissions inet n - y - - smtpd\n127.0.0.1:10026 inet n - n - - smtpd\n"
    "pickup unix n - y 60 1 pickup\n2525 inet n - y - 1 postscreen\n",
    "overrides": "submissions/inet/smtpd_tls_wrappermode = yes\n"
    "submissions/inet/smtpd_tls_chain_files = /k.pem, /e.pem\n",
}


def test_dovecot_listens_as_configured_and_port_0_is_off() -> None:
    listeners = dovecot.read(dump(dump=DOVECOT))
    assert brief(listeners)[:4] == [
        ("imaps", 10993, ()),
        ("imaps", 10993, ("imap.example.org",)),
        ("imap", 144, ()),
        ("imap", 144, ("imap.example.org",)),
    ]
    assert listeners[0].addresses == ("192.0.2.1", "2001:db8::1")
    assert listeners[2].addresses == ("127.0.0.1",)
    assert {listener.scheme for listener in listeners[4:]} == {"smtp", "smtps"}


def test_dovecot_has_files_of_both_key_types_and_of_names() -> None:
    listeners = dovecot.read(dump(dump=DOVECOT))
    assert [path for _, path in paths(listeners[0])] == ["/etc/ssl/mail.crt", "/etc/ssl/mail.key", "/etc/ssl/ec.crt",
                                                     "/etc/ssl/ec.key"]  # fmt: skip
    assert [path for _, path in paths(listeners[1])] == ["/etc/ssl/org.crt", "/etc/ssl/org.key"]


def test_dovecot_2_4_settings_are_read() -> None:
    listeners = dovecot.read(dump(dump=DOVECOT_24))
    assert brief(listeners) == [
        ("imap", 143, ()),
        ("imap", 143, ("imap.example.org",)),
        ("imaps", 993, ()),
        ("imaps", 993, ("imap.example.org",)),
    ]
    assert [path for _, path in paths(listeners[0])] == ["/etc/ssl/mail.crt", "/etc/ssl/mail.key"]
    assert [path for _, path in paths(listeners[1])] == ["/etc/ssl/org.crt", "/etc/ssl/org.key"]


def test_dovecot_without_tls_is_plain_text_endpoint() -> None:
    listeners = dovecot.read(dump(dump="protocols = imap\nssl = no\nssl_cert = </etc/ssl/mail.crt\n"))
    assert [(listener.scheme, listener.files) for listener in listeners] == [("imap", ())]


def test_inline_key_of_dovecot_is_reported_without_its_value() -> None:
    (_, listener) = dovecot.read(dump(dump="protocols = imap\nssl_cert = </c\nssl_key = secret\n"))
    assert listener.unread == ("dovecot has the value of ssl_key in its configuration, not in a file",)


def test_exim_listens_on_interfaces_with_own_or_default_ports() -> None:
    listeners = exim.read(dump(dump=EXIM, tls_certificate__="/t/a.crt", tls_privatekey__="/t/a.key"))
    assert [(listener.scheme, listener.port, listener.addresses) for listener in listeners] == [
        ("smtp", 25, ("::",)),
        ("smtps", 465, ("192.0.2.1",)),
        ("smtp", 25, ("192.0.2.1",)),
        ("smtp", 587, ("192.0.2.1",)),
    ]


def test_expansion_of_exim_gives_files_of_each_name() -> None:
    listeners = exim.read(
        dump(dump=EXIM, tls_certificate__="/t/a.crt", tls_privatekey__="/t/a.key",
             **{"tls_certificate__b.example.com": "/t/b.crt", "tls_privatekey__b.example.com": "/t/b.key"})
    )  # fmt: skip
    assert paths(listeners[0]) == [("certificate", "/t/a.crt"), ("key", "/t/a.key")]
    assert listeners[1].names == ("b.example.com",)
    assert paths(listeners[1]) == [("certificate", "/t/b.crt"), ("key", "/t/b.key")]


def test_missing_expansion_of_exim_leaves_files_unread() -> None:
    first = exim.read(dump(dump=EXIM))[0]
    assert first.files == ()
    assert first.unread[0].startswith("exim expands tls_certificate for each connection: /t/${if")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("exim4\n-bd", [("smtp", 25)]),
        ("exim\n-bd\n-oX\n587:465", [("smtp", 587), ("smtps", 465)]),
        ("exim\n-bd\n-tls-on-connect\n-oX465", [("smtps", 465)]),
    ],
)
def test_command_line_of_exim_overrides_ports(words: str, expected: list[tuple[str, int]]) -> None:
    listeners = exim.read(dump(dump="tls_on_connect_ports = 465\nlocal_interfaces = 0.0.0.0", words=words))
    assert [(listener.scheme, listener.port) for listener in listeners] == expected


def test_exim_without_key_file_uses_certificate_file() -> None:
    (listener, _) = exim.read(dump(dump="tls_certificate = /both.pem\ntls_privatekey =\n"))
    assert paths(listener) == [("certificate", "/both.pem"), ("key", "/both.pem")]


def test_postfix_reads_master_cf_with_overrides() -> None:
    listeners = postfix.read(dump(**POSTFIX))
    assert [(listener.scheme, listener.port, listener.addresses) for listener in listeners] == [
        ("smtp", 25, ("0.0.0.0",)),
        ("smtps", 465, ("0.0.0.0",)),
        ("smtp", 10026, ("127.0.0.1",)),
        ("smtp", 2525, ("0.0.0.0",)),
    ]


def test_postfix_has_files_of_both_key_types() -> None:
    main = (
        "smtpd_tls_cert_file = /rsa.crt\nsmtpd_tls_key_file = /rsa.key\n"
        "smtpd_tls_eccert_file = /ec.crt\nsmtpd_tls_eckey_file = /ec.key\n"
    )
    (listener, *_) = postfix.read(dump(**{**POSTFIX, "main": main}))
    assert paths(listener) == [
        ("certificate", "/rsa.crt"),
        ("key", "/rsa.key"),
        ("certificate", "/ec.crt"),
        ("key", "/ec.key"),
    ]


def test_postfix_prefers_chain_files_to_older_settings() -> None:
    listeners = postfix.read(dump(**POSTFIX))
    assert paths(listeners[0]) == [("certificate", "/c.crt"), ("key", "/c.crt")]
    assert [path for _, path in paths(listeners[1])] == ["/k.pem", "/k.pem", "/e.pem", "/e.pem"]
