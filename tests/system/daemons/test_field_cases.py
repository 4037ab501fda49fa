"""Forms of configurations that are met on hosts: the audit finds what nginx, apache and haproxy really serve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from cryptography import x509

from tests.support.hosts.audit_run import AuditRun, audit, trust
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.openssl_client import served
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NAME: Final = "field.example.test"
NGINX: Final = """events {}
http {
	access_log off;
	include /etc/nginx/sites-enabled/*;
}
"""


def server(listen: str, names: str, stem: str = "") -> str:
    """Return a server of nginx; without a stem it has no certificate."""
    files = f"ssl_certificate /etc/ssl/{stem}.crt; ssl_certificate_key /etc/ssl/{stem}.key;" if stem else ""
    return f"\tserver {{ listen {listen}; server_name {names}; {files} }}\n"


SITES: Final = {
    "a": server("443 ssl", "*.apps.test", "wild"),
    "b": server("443", "plain.test"),
    "d": server("443 ssl", r"~^(www\.)?expression\.test$", "extra"),
    "z": server("443 ssl default_server", "_", "own"),
    "x": server("198.18.0.8:443 ssl", "bound.test", "extra"),
    "y": server("7443 ssl default_server", "_", "extra") + server("7443 ssl", NAME, "own"),
}
APACHE: Final = """LoadModule macro_module /usr/lib/apache2/modules/mod_macro.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
Listen 8443 https
Define EXTRA /etc/apache2/extra
Define WITH
<Macro Site $name>
<VirtualHost *:8443>
ServerName $name
SSLCertificateFile /etc/ssl/macro.crt
SSLCertificateKeyFile /etc/ssl/macro.key
</VirtualHost>
</Macro>
Use Site macro.test
<IfDefine WITH>
Include ${EXTRA}/*.conf
</IfDefine>
"""
EXTRA: Final = """<VirtualHost *:8443>
ServerName extra.test
SSLCertificateFile /etc/ssl/extra.crt
SSLCertificateKeyFile /etc/ssl/extra.key
</VirtualHost>
"""
HAPROXY: Final = """defaults
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen own
  mode http
  bind :6443 ssl crt /etc/ssl/pair.pem
listen through
  mode tcp
  bind :9443
  server nginx 127.0.0.1:443
"""
NAMES: Final = {
    "own": (NAME, "plain.test"), "pair": (NAME,), "wild": ("*.apps.test",), "macro": ("macro.test",),
    "extra": ("extra.test", "expression.test", "bound.test"),
}  # fmt: skip
"""The names of the certificate of each stem."""

FOUND: Final = {
    f"https://{NAME}:443": "own", "https://any-label.apps.test:443": "wild", "https://plain.test:443": "own",
    "https://macro.test:8443": "macro", "https://extra.test:8443": "extra", f"https://{NAME}:6443": "pair",
    f"https://{NAME}:7443": "own", f"https://{NAME}:9443": "own", "https://expression.test:443": "extra",
}  # fmt: skip
"""The endpoints, and the stem of the certificate that each serves."""


@pytest.fixture(scope="module")
def host(overlays: None, authority: Authority) -> Iterator[Host]:  # noqa: ARG001 - overlays skips or fails first
    with running_host("main", NAME) as running:
        running.shell("ip addr add 198.18.0.7/32 dev lo; ip addr add 198.18.0.8/32 dev lo")
        for stem, names in NAMES.items():
            running.write(*authority.issue(*names).at(f"/etc/ssl/{stem}"))
        running.shell("umask 77; cat /etc/ssl/pair.key /etc/ssl/pair.crt > /etc/ssl/pair.pem")
        running.write(
            HostFile("/etc/nginx/nginx.conf", NGINX),
            *(HostFile(f"/etc/nginx/sites-enabled/{name}", text) for name, text in SITES.items()),
            HostFile("/etc/apache2/ports.conf", APACHE),
            HostFile("/etc/apache2/extra/a.conf", EXTRA),
            HostFile("/etc/haproxy/haproxy.cfg", HAPROXY),
        )
        running.shell("rm /etc/nginx/sites-enabled/default /etc/apache2/sites-enabled/*; nginx; apache2ctl start")
        running.shell("haproxy -D -f /etc/haproxy/haproxy.cfg")
        running.wait_for(443, 7443, 8443, 6443, 9443)
        yield running


def run_on(host: Host, authority: Authority) -> AuditRun:
    return audit(host, "--hosts=local://", trust(host, authority.anchor))


def websites_of(run: AuditRun) -> set[str]:
    """Return the endpoints of HTTPS that were found: other daemons of the overlay do not run."""
    return {endpoint.partition("/")[2] for endpoint in run.endpoints if "/https://" in endpoint}


def test_each_endpoint_is_found_with_the_certificate_that_it_serves(host: Host, authority: Authority) -> None:
    run = run_on(host, authority)
    assert websites_of(run) == {*FOUND, "https://bound.test:443"}, run.explain()
    for endpoint, stem in FOUND.items():
        name, _, port = endpoint.removeprefix("https://").partition(":")
        leaf = x509.load_pem_x509_certificate(host.read(f"/etc/ssl/{stem}.crt").encode())
        assert served(host, int(port), name)[0] == leaf, endpoint
    failed = {(endpoint, check) for endpoint, check in run.with_verdict("fail", "error") if "/https://" in endpoint}
    assert {check for _, check in failed} <= {"dns.unresolvable"}, run.explain()
    assert ("local/https://any-label.apps.test:443", "dns.unresolvable") not in failed
    verdict, message = run.verdict(f"local/https://{NAME}:9443", "svc.disk-vs-wire")
    assert verdict == "inconclusive"
    assert message == "the configuration of haproxy, as it was read, has no TLS at port 9443"


def test_broken_configuration_is_reported_and_its_files_are_read(host: Host, authority: Authority) -> None:
    host.shell("rm /etc/apache2/extra/a.conf")
    host.write(
        HostFile("/etc/nginx/sites-enabled/c", "nonsense;\n"),
        HostFile("/etc/apache2/ports.conf", "Listen 8443\nnonsense\n"),
    )
    run = run_on(host, authority)
    assert {f"https://{NAME}:443", "https://any-label.apps.test:443", "https://plain.test:443"} <= websites_of(run)
    verdict, message = run.verdict(f"local/https://{NAME}:443", "svc.config-missing-file")
    assert verdict == "inconclusive"
    assert "nginx -t fails" in message
    messages = [line["message"] for line in run.results if line["endpoint"] == "local/"]
    assert any("apache: /usr/sbin/apache2 -t fails" in message for message in messages), messages
