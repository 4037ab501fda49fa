"""Tests of the readers of mail servers."""

from __future__ import annotations

import pytest

from audit.services import Listener, dovecot, exim, postfix
from tests.support.config_dumps import described, dump

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


OTHER_SERVICES = "smtp unix - - y - - smtp\n10023 inet n n n - 0 spawn\nsmtp inet n - y - smtpd\n"
DOVECOT_READ = """\
imaps 192.0.2.1,2001:db8::1 10993 | {mail}
imaps 192.0.2.1,2001:db8::1 10993 | imap.example.org | {org}
imaps 192.0.2.1,2001:db8::1 10993 | any-label.example.net | {net}
imap 127.0.0.1 144 | {mail}
imap 127.0.0.1 144 | imap.example.org | {org}
imap 127.0.0.1 144 | any-label.example.net | {net}
smtp 192.0.2.1,2001:db8::1 587 | {mail}
smtp 192.0.2.1,2001:db8::1 587 | imap.example.org | {org}
smtp 192.0.2.1,2001:db8::1 587 | any-label.example.net | {net}
""".format(
    mail="/etc/ssl/mail.crt key:/etc/ssl/mail.key /etc/ssl/ec.crt key:/etc/ssl/ec.key",
    org="/etc/ssl/org.crt key:/etc/ssl/org.key /etc/ssl/ec.crt key:/etc/ssl/ec.key",
    net="/etc/ssl/net.crt key:/etc/ssl/mail.key /etc/ssl/ec.crt key:/etc/ssl/ec.key",
)
DOVECOT_24_READ = """\
imap 0.0.0.0,:: 143 | /etc/ssl/mail.crt key:/etc/ssl/mail.key
imap 0.0.0.0,:: 143 | imap.example.org | /etc/ssl/org.crt key:/etc/ssl/org.key
imaps 0.0.0.0,:: 993 | /etc/ssl/mail.crt key:/etc/ssl/mail.key
imaps 0.0.0.0,:: 993 | imap.example.org | /etc/ssl/org.crt key:/etc/ssl/org.key
"""
EXIM_READ = """\
smtp :: 25 | /t/a.crt key:/t/a.key
smtp :: 25 | b.example.com | /t/b.crt key:/t/b.key
smtps 192.0.2.1 465 | /t/a.crt key:/t/a.key
smtps 192.0.2.1 465 | b.example.com | /t/b.crt key:/t/b.key
smtp 192.0.2.1 25 | /t/a.crt key:/t/a.key
smtp 192.0.2.1 25 | b.example.com | /t/b.crt key:/t/b.key
smtp 192.0.2.1 587 | /t/a.crt key:/t/a.key
smtp 192.0.2.1 587 | b.example.com | /t/b.crt key:/t/b.key
"""
POSTFIX_READ = """\
smtp 0.0.0.0 25 | /c.crt key:/c.crt
smtps 0.0.0.0 465 | /k.pem key:/k.pem /e.pem key:/e.pem
smtp 127.0.0.1 10026 | /c.crt key:/c.crt
smtp 0.0.0.0 2525 | /c.crt key:/c.crt
"""
BY_NAME = {
    "tls_certificate:": "/t/a.crt", "tls_privatekey:": "/t/a.key",
    "tls_certificate:b.example.com": "/t/b.crt", "tls_privatekey:b.example.com": "/t/b.key",
}  # fmt: skip
TWO_KEYS = (
    "smtpd_tls_cert_file = /rsa.crt\nsmtpd_tls_key_file = /rsa.key\n"
    "smtpd_tls_eccert_file = /ec.crt\nsmtpd_tls_eckey_file = /ec.key\n"
)
PROXIED = "smtpd_upstream_proxy_protocol = haproxy\npostscreen_upstream_proxy_protocol =\n"
POSTFIX_PROXIED_READ = """\
smtp 0.0.0.0,:: 25 | PROXY protocol: always
smtps 0.0.0.0,:: 465 | /k.pem key:/k.pem /e.pem key:/e.pem | PROXY protocol: always
smtp 127.0.0.1 10026 | PROXY protocol: always
smtp 0.0.0.0,:: 2525
"""
NAMED_PORTS = (
    "local_interfaces = 192.0.2.1\ndaemon_smtp_ports = smtp : smtps : ssmtp : submissions : submission : unknown\n"
)
MADE = "exim makes a certificate when it starts, because tls_certificate is not set: it is in no file"
PORTS = "tls_on_connect_ports = 465\nlocal_interfaces = 0.0.0.0"


@pytest.mark.parametrize(
    ("listeners", "expected"),
    [
        (dovecot.read(dump(dump=DOVECOT)), DOVECOT_READ),
        (dovecot.read(dump(dump=DOVECOT_24)), DOVECOT_24_READ),
        (dovecot.read(dump(dump="protocols = imap\nssl = no\nssl_cert = </c\n")), "imap 0.0.0.0,:: 143\n"),
        (dovecot.read(dump(dump="protocols = imap\nprotocols\nssl = no\n")), "imap 0.0.0.0,:: 143\n"),
        (dovecot.read(dump(dump="}\nprotocols = imap\nssl = no\n")), "imap 0.0.0.0,:: 143\n"),
        (dovecot.read(dump(dump="protocols = imap\nssl_cert = </c\nssl_key = secret\n"))[1:],
         "imaps 0.0.0.0,:: 993 | /c | unread: dovecot has the value of ssl_key in its configuration, not in a file\n"),
        (exim.read(dump(dump=EXIM, **BY_NAME)), EXIM_READ),
        (exim.read(dump(dump=EXIM, **BY_NAME | {"tls_certificate:b.example.com": "/t/a.crt",
                                                "tls_privatekey:b.example.com": "/t/a.key"}))[1:2],
         "smtps 192.0.2.1 465 | /t/a.crt key:/t/a.key\n"),
        (exim.read(dump(dump=PORTS, words="exim4\n-bd")), "smtp 0.0.0.0 25\n"),
        (exim.read(dump(dump=f"{PORTS}\ntls_advertise_hosts = *\ntls_certificate =", words="exim4\n-bd")),
         f"smtp 0.0.0.0 25 | unread: {MADE}\n"),
        (exim.read(dump(dump=PORTS, words="exim\n-bd\n-oX\n587:465")), "smtp 0.0.0.0 587\nsmtps 0.0.0.0 465\n"),
        (exim.read(dump(dump=PORTS, words="exim\n-bd\n-tls-on-connect\n-oX465")), "smtps 0.0.0.0 465\n"),
        (exim.read(dump(dump="local_interfaces = 2001::db8::::1 : 192.0.2.1", words="exim\n-bd")),
         "smtp 2001:db8::1 25\nsmtp 192.0.2.1 25\n"),
        (exim.read(dump(dump=NAMED_PORTS, words="exim\n-bd")),
         "smtp 192.0.2.1 25\nsmtp 192.0.2.1 465\nsmtp 192.0.2.1 587\n"),
        (exim.read(dump(dump="tls_certificate = /both.pem\ntls_privatekey =\n"))[:1],
         "smtp 0.0.0.0 25 | /both.pem key:/both.pem\n"),
        (postfix.read(dump(**POSTFIX)), POSTFIX_READ),
        (postfix.read(dump(master=OTHER_SERVICES)), ""),
        (postfix.read(dump(**{**POSTFIX, "main": "smtpd_tls_cert_file = none\n"}))[:1], "smtp 0.0.0.0,:: 25\n"),
        (postfix.read(dump(**{**POSTFIX, "main": TWO_KEYS}))[:1],
         "smtp 0.0.0.0,:: 25 | /rsa.crt key:/rsa.key /ec.crt key:/ec.key\n"),
        (exim.read(dump(dump=f"{PORTS}\nhosts_proxy = *\n"))[:1],
         "smtp 0.0.0.0 25 | PROXY protocol: always\n"),
        (exim.read(dump(dump=f"{PORTS}\nhosts_proxy = 192.0.2.0/24\n"))[:1],
         "smtp 0.0.0.0 25 | PROXY protocol: some-clients\n"),
        (postfix.read(dump(**POSTFIX | {"main": PROXIED})), POSTFIX_PROXIED_READ),
    ],
    ids=["dovecot", "dovecot 2.4", "dovecot without TLS", "dovecot, a line without a value",
         "dovecot, a bracket too many",
         "inline key of dovecot", "exim with names",
         "exim, same files for a name", "exim, its ports", "exim, own certificate",
         "exim, ports of the command line", "exim, TLS on connect",
         "exim, doubled colons", "exim, ports by name", "exim, one file", "postfix", "postfix, other services",
         "postfix without a certificate",
         "postfix, two keys",
         "exim behind a load balancer", "exim, load balancer and others", "postfix behind a load balancer"],
)  # fmt: skip
def test_mail_server_is_read_with_sockets_names_and_files(listeners: tuple[Listener, ...], expected: str) -> None:
    assert described(listeners) == expected


@pytest.mark.parametrize("condition", ["${lookup{$tls_in_sni}lsearch{/names}}", "${if match{$tls_sni}{x}{/b}{/a}}"])
def test_lookup_of_the_requested_name_is_unread(condition: str) -> None:
    (listener, *_) = exim.read(dump(dump=f"{PORTS}\ntls_certificate = {condition}\n", **{"tls_certificate:": "/a"}))
    assert listener.files[0].path == "/a"
    assert listener.unread == (f"exim looks tls_certificate up for the requested name: {condition}",)


def test_process_that_only_has_the_name_of_exim_has_no_listeners() -> None:
    assert exim.read(dump(words="exim4\n-bd")) == ()


def test_missing_expansion_of_exim_leaves_files_unread() -> None:
    first = exim.read(dump(dump=EXIM))[0]
    assert first.files == ()
    assert first.unread[0].startswith("exim expands tls_certificate for each connection: /t/${if")
