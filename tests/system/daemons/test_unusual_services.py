"""Services as they are met in the field, audited by a login: behind a load balancer, by name, with hidden arguments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import AuditRun, audit, trust
from tests.support.hosts.host import HostFile, connect, name_hosts, running_host
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

WEB1: Final = "web1.example.test"
MAIL: Final = "mail.example.test"
_CHOICE: Final = (
    "${if and {{ eq {${domain:foo@$tls_in_sni}} {$tls_in_sni}}{ exists{/srv/mail/$tls_in_sni.%s} }}"
    "{/srv/mail/$tls_in_sni.%s}{/srv/mail/default.%s}}"
)
EXIM: Final = f"""primary_hostname = {WEB1}
local_interfaces = 0.0.0.0
daemon_smtp_ports = 465
tls_on_connect_ports = 465
tls_advertise_hosts = *
tls_certificate = {_CHOICE.replace("%s", "crt")}
tls_privatekey = {_CHOICE.replace("%s", "key")}
rfc1413_query_timeout = 0s
host_lookup =
never_users = root
keep_environment =
"""
DOVECOT: Final = """protocols = imap
ssl_cert = </srv/mail/default.crt
ssl_key = </srv/mail/default.key
haproxy_trusted_networks = %s
passdb {
  driver = static
  args = nopassword=y
}
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    haproxy = yes
  }
  inet_listener imaps_plain {
    port = 10993
    ssl = yes
  }
  inet_listener imap_inside {
    address = 127.0.0.1
    port = 11143
    haproxy = yes
  }
  inet_listener imaps_inside {
    address = 127.0.0.1
    port = 11993
    ssl = yes
    haproxy = yes
  }
}
"""
HAPROXY: Final = """defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend web
  bind :6443 ssl crt /srv/web.pem accept-proxy
"""
INSTANCE: Final = f"""Listen 8444
<VirtualHost *:8444>
  ServerName {WEB1}
  SSLEngine on
  SSLCertificateFile /srv/mail/default.crt
  SSLCertificateKeyFile /srv/mail/default.key
</VirtualHost>
"""
START_INSTANCE: Final = """a2enmod -q ssl
cp -a /etc/apache2 /etc/apache2-x
cd /etc/apache2-x; rm -f sites-enabled/*; mv /root/instance.conf sites-enabled/; : >ports.conf
mkdir -p /var/log/apache2-x; APACHE_CONFDIR=/etc/apache2-x apache2ctl start
"""
IMPOSTORS: Final = """cp "$(command -v openssl)" /opt/httpd
printf '#!/bin/sh\\nsleep 600\\n' >/opt/nginx; chmod 755 /opt/nginx
setsid /opt/nginx </dev/null >/dev/null 2>&1 &
setsid /opt/httpd s_server -quiet -accept 127.0.0.1:9443 -cert /srv/mail/default.crt -key /srv/mail/default.key \\
    </dev/null >/dev/null 2>&1 &
pure-ftpd -B -E --tls=2
"""


@pytest.fixture(scope="module")
def run(authority: Authority) -> Iterator[AuditRun]:
    """Audit a host with all these services once."""
    with running_host("main", "auditor.example.test") as auditor, running_host("main", WEB1) as host:
        public_key = login.make_key(auditor)
        addresses = (connect(auditor, host, 1),)
        name_hosts(auditor, {"auditor.example.test": ("127.0.1.1",), WEB1: addresses, MAIL: addresses})
        login.admit(host, public_key)
        login.know(auditor, host)
        own, by_name = authority.issue(WEB1), authority.issue(MAIL)
        host.write(
            *own.at("/srv/mail/default", group="Debian-exim", mode=0o640),
            *by_name.at(f"/srv/mail/{MAIL}", group="Debian-exim", mode=0o640),
            HostFile("/srv/web.pem", own.key + own.fullchain, 0o600),
            HostFile("/etc/ssl/private/pure-ftpd.pem", own.key + own.fullchain, 0o600),
            HostFile("/etc/exim4/exim4.conf", EXIM),
            HostFile("/etc/dovecot/dovecot.conf", DOVECOT % "0.0.0.0/0"),
            HostFile("/etc/haproxy/haproxy.cfg", HAPROXY),
            HostFile("/root/instance.conf", INSTANCE),
        )
        host.shell(f"exim4 -bd; dovecot; haproxy -W -D -f /etc/haproxy/haproxy.cfg; {IMPOSTORS}{START_INSTANCE}")
        host.wait_for(465, 993, 10993, 11143, 11993, 6443, 8444, 9443, 21)
        yield audit(auditor, trust(auditor, authority.anchor), f"--hosts=ssh://root@{WEB1}")


def is_named(run: AuditRun, endpoint: str) -> bool:
    """Return whether an endpoint serves a certificate for its name."""
    assert run.observed(f"{WEB1}/{endpoint}")["failure"] is None, run.explain()
    return run.verdict(f"{WEB1}/{endpoint}", "cert.name-mismatch")[0] == "pass"


def test_each_service_is_found_once(run: AuditRun) -> None:
    assert run.endpoints == {
        f"{WEB1}/{endpoint}"
        for endpoint in (
            f"smtps://{WEB1}:465", f"smtps://{MAIL}:465", f"imaps://{WEB1}:993", f"imaps://{WEB1}:10993",
            f"imap://{WEB1}:11143", f"imaps://{WEB1}:11993",
            f"https://{WEB1}:6443", f"https://{WEB1}:8444", f"https://{WEB1}:9443", f"ftp://{WEB1}:21",
        )
    }, run.explain()  # fmt: skip


@pytest.mark.parametrize("endpoint", [f"imaps://{WEB1}:993", f"https://{WEB1}:6443"], ids=["dovecot", "haproxy"])
def test_service_that_expects_the_proxy_protocol_is_observed(run: AuditRun, endpoint: str) -> None:
    assert is_named(run, endpoint), run.explain()
    assert run.verdict(f"{WEB1}/{endpoint}", "tls.old-protocol")[0] == "pass", run.explain()


@pytest.mark.parametrize("endpoint", [f"imap://{WEB1}:11143", f"imaps://{WEB1}:11993"], ids=["STARTTLS", "TLS"])
def test_service_on_loopback_gets_the_header_from_its_own_host(run: AuditRun, endpoint: str) -> None:
    assert is_named(run, endpoint), run.explain()
    assert run.verdict(f"{WEB1}/{endpoint}", "svc.disk-vs-wire")[0] == "pass", run.explain()


def test_certificate_of_exim_for_a_name_is_found_by_its_file(run: AuditRun) -> None:
    assert is_named(run, f"smtps://{MAIL}:465"), run.explain()
    assert is_named(run, f"smtps://{WEB1}:465"), run.explain()
    assert run.verdict(f"{WEB1}/smtps://{MAIL}:465", "svc.disk-vs-wire")[0] == "pass", run.explain()


def test_hidden_arguments_of_pure_ftpd_are_named(run: AuditRun) -> None:
    _, message = run.verdict(f"{WEB1}/ftp://{WEB1}:21", "svc.disk-vs-wire")
    assert "pure-ftpd hides its command line" in message, run.explain()


def test_program_with_the_name_of_a_daemon_is_an_unknown_service(run: AuditRun) -> None:
    assert run.observed(f"{WEB1}/https://{WEB1}:9443")["service"] == "unknown", run.explain()


def test_second_instance_of_apache_is_tested_with_its_own_variables(run: AuditRun) -> None:
    endpoint = f"{WEB1}/https://{WEB1}:8444"
    assert run.observed(endpoint)["service"] == "apache"
    assert run.verdict(endpoint, "svc.config-missing-file")[0] == "pass", run.explain()
