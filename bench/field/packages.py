"""The configurations that Debian's packages install, as they are and with the TLS that the package provides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.field.configuration import Configuration

_APACHE_TLS: Final = {"/etc/apache2/sites-enabled/default-ssl.conf": "../sites-available/default-ssl.conf"}
_POSTFIX: Final = b"""\
compatibility_level = 3.6
myhostname = host.example.net
maillog_file = /var/log/postfix.log
smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key
smtpd_tls_security_level=may
"""
_SUBMISSIONS: Final = b"""\
submission inet n - y - - smtpd
  -o smtpd_tls_security_level=encrypt
submissions inet n - y - - smtpd
  -o smtpd_tls_wrappermode=yes
"""
_POSTFIX_START: Final = "cat /etc/postfix/submissions.cf >>/etc/postfix/master.cf; postfix start"


def package_configurations() -> Iterator[Configuration]:
    """Yield the configurations of the daemons' own packages, release by release."""
    for release in (None, "debian13", "sid"):
        name = release or "debian12"
        yield Configuration(f"{name} nginx", "nginx", {}, overlay=release)
        yield Configuration(f"{name} apache", "apache", {}, overlay=release)
        yield Configuration(f"{name} apache default-ssl", "apache", {}, _APACHE_TLS, overlay=release)
        yield Configuration(f"{name} dovecot", "dovecot", {}, overlay=release)
        yield Configuration(f"{name} haproxy", "haproxy", {}, overlay=release)
    for daemon in ("exim", "pure-ftpd", "vsftpd", "proftpd"):
        yield Configuration(f"debian12 {daemon}", daemon, {})
    files = {"/etc/postfix/main.cf": _POSTFIX, "/etc/postfix/submissions.cf": _SUBMISSIONS}
    yield Configuration("debian12 postfix", "postfix", files, start=_POSTFIX_START)
