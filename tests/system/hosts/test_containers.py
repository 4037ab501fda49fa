"""Real containers, audited by `podman://` and `docker://`: nginx and dovecot of Debian 13, and one without tools.

Nginx of Debian 13 is the first with QUIC. The host of the containers has the exim of Debian 12 with the PROXY protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.hosts.audit_run import AuditRun, audit, trust
from tests.support.hosts.containers import Container, container_host, new_container
from tests.support.hosts.host import Host, HostFile, name_hosts
from tests.support.hosts.overlay import NEEDED
from tests.support.hosts.pki import Authority

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not {"containers", "debian13"} <= {*NEEDED}, reason="make test-matrix PART=containers"),
]

WWW: Final = "www.example.test"
MAIL: Final = "mail.example.test"
BARE: Final = "bare.example.test"
CERTIFICATES: Final = "/srv/certificates"
MOUNT: Final = f"--volume={CERTIFICATES}:/etc/ssl/lab:ro"
SITE: Final = """events {{}}
http {{
  ssl_certificate /etc/ssl/lab/{file}.crt; ssl_certificate_key /etc/ssl/lab/{file}.key;
  server {{ listen 443 ssl; listen 443 quic; server_name {name}; }}
  server {{ listen 9443 quic; server_name {name}; }}
}}
"""
STREAM: Final = f"""load_module modules/ngx_stream_module.so;
stream {{
  map $ssl_preread_server_name $backend {{ {WWW} 127.0.0.1:443; default 127.0.0.1:1; }}
  server {{ listen 8443; ssl_preread on; proxy_pass $backend; }}
}}
"""
DOVECOT: Final = """dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols = imap
ssl = required
ssl_server_cert_file = /etc/ssl/lab/mail.crt
ssl_server_key_file = /etc/ssl/lab/mail.key
passdb static {
  password = unused
}
"""
HAPROXY: Final = """defaults
  mode http
frontend web
  bind :6443 ssl crt /etc/ssl/lab/www.pem
"""
AUDITOR: Final = "auditor.example.test"
EXIM: Final = f"""primary_hostname = {AUDITOR}
local_interfaces = 0.0.0.0
daemon_smtp_ports = 465
tls_on_connect_ports = 465
tls_advertise_hosts = *
hosts_proxy = 127.0.0.0/8 : 198.18.0.0/16
tls_certificate = /srv/exim.crt
tls_privatekey = /srv/exim.key
host_lookup =
rfc1413_query_timeout = 0s
never_users = root
keep_environment =
"""
TOOLS: Final = ("bin/hostname", "bin/ip", "bin/openssl", "bin/ss", "sbin/ip")


@pytest.fixture(scope="module")
def host(overlays: None, authority: Authority) -> Iterator[Host]:  # noqa: ARG001 - overlays skips or fails first
    with container_host("debian13", AUDITOR) as host:
        trust(host, authority.anchor)
        for file, name in (("www", WWW), ("mail", MAIL), ("bare", BARE)):
            served = authority.issue(name)
            combined = HostFile(f"{CERTIFICATES}/{file}.pem", served.key + served.fullchain, 0o600)
            host.write(*served.at(f"{CERTIFICATES}/{file}"), combined)
        web, bare = (new_container(host, *place) for place in (("web", 1), ("bare", 2)))
        names = {WWW: (web.address,), MAIL: (web.address,), BARE: (bare.address,)}
        name_hosts(host, {AUDITOR: ("127.0.1.1",), **names})
        web.write(HostFile("/etc/haproxy/haproxy.cfg", HAPROXY))
        _start(web, "www", WWW, "dovecot; exec nginx -g 'daemon off;'", 443, 993, 8443)
        host.do("rm", *(f"{bare.root}/usr/{tool}" for tool in TOOLS))
        _start(bare, "bare", BARE, "exec nginx -g 'daemon off;'", 443)
        yield host


def _start(container: Container, file: str, name: str, script: str, *ports: int) -> None:
    site = (STREAM if file == "www" else "") + SITE.format(name=name, file=file)
    container.write(HostFile("/etc/nginx/nginx.conf", site), HostFile("/etc/dovecot/dovecot.conf", DOVECOT))
    container.start(script, MOUNT)
    container.wait_for(*ports)


def audited(host: Host, *arguments: str) -> AuditRun:
    return audit(host, "--audit-trust=/root/anchor.pem", "--hosts=podman://web,docker://bare", *arguments)


@pytest.fixture(scope="module")
def run(host: Host) -> AuditRun:
    return audited(host)


def test_every_service_of_a_container_is_found_once(run: AuditRun) -> None:
    inside = {f"https://{WWW}:{port}" for port in (443, 6443, 8443)} | {"imap://web:143", "imaps://web:993"}
    assert run.endpoints == {f"bare/https://{BARE}:443", *(f"web/{endpoint}" for endpoint in inside)}, run.explain()


def test_id_of_a_container_is_not_a_finding(run: AuditRun) -> None:
    assert {run.verdict(f"{name}/", "host.name-invalid")[0] for name in ("web", "bare")} == {"not-applicable"}
    assert run.with_verdict("fail", "error") == {("web/", "svc.not-started")}, run.explain()
    unsure = {
        (line["endpoint"], line["check"]): line["message"]
        for line in run.results
        if line["verdict"] == "inconclusive" and "because" not in line["detail"]
    }
    unnamed = {("web/imap://web:143", "cert.name-mismatch"), ("web/imaps://web:993", "cert.name-mismatch")}
    of_files = ("key.mismatch", "key.permissions", "svc.config-missing-file", "svc.disk-vs-wire")
    passed_through = {(f"web/https://{WWW}:8443", check) for check in of_files}
    hosts = {("bare/", "svc.unreachable"), ("web/", "svc.unreachable")}
    assert unsure.keys() == unnamed | passed_through | hosts, run.explain()
    assert "there is no openssl on the host" in unsure["bare/", "svc.unreachable"]


def test_nginx_passes_tls_through_to_the_server_of_the_name(run: AuditRun) -> None:
    endpoint = f"web/https://{WWW}:8443"
    assert run.observed(endpoint)["failure"] is None, run.explain()
    assert run.verdict(endpoint, "cert.name-mismatch")[0] == "pass", run.explain()
    assert "passes TLS at port 8443 through to other servers" in run.verdict(endpoint, "svc.disk-vs-wire")[1]


def test_port_with_quic_alone_is_named_as_not_audited(host: Host, run: AuditRun) -> None:
    web = Container(host, "web", 1)
    for port in (443, 9443):
        shown = web.shell(f"openssl s_client -quic -alpn h3 -connect 127.0.0.1:{port} </dev/null 2>&1 || :")
        assert f"CN={WWW}" in shown.replace(" ", ""), shown
    message = run.verdict("web/", "svc.unreachable")[1]
    assert "nginx serves QUIC alone at port 9443: it is not audited there" in message, run.explain()
    assert "port 443" not in message


def test_service_that_was_not_started_is_reported_once(run: AuditRun) -> None:
    result = run.result("web/", "svc.not-started")
    assert (result["severity"], "haproxy; start it, or disable" in result["message"]) == ("info", True), run.explain()
    assert run.result(f"web/https://{WWW}:6443", "svc.unreachable")["detail"]["because"] == "svc.not-started"


def test_name_of_a_container_can_be_configured(host: Host) -> None:
    host.write(HostFile("/run/sslaudit.toml", f'[host."podman://web"]\nname = "{MAIL}"\n'))
    run = audited(host, "--audit-config=/run/sslaudit.toml")
    assert run.verdict(f"web/imaps://{MAIL}:993", "cert.name-mismatch")[0] == "pass", run.explain()
    assert run.verdict(f"web/imap://{MAIL}:143", "key.mismatch")[0] == "pass", run.explain()


def test_exim_that_expects_the_proxy_protocol_is_observed(host: Host, authority: Authority) -> None:
    files = authority.issue(AUDITOR).at("/srv/exim", group="Debian-exim", mode=0o640)
    host.write(*files, HostFile("/etc/exim4/exim4.conf", EXIM))
    host.shell("exim4 -bd")
    host.wait_for(465)
    run = audit(host, "--audit-trust=/root/anchor.pem", "--hosts=local://")
    endpoint = f"local/smtps://{AUDITOR}:465"
    assert run.endpoints == {endpoint}, run.explain()
    assert run.observed(endpoint)["failure"] is None, run.explain()
    for check in ("cert.name-mismatch", "svc.disk-vs-wire", "svc.unreachable"):
        assert run.verdict(endpoint, check)[0] == "pass", run.explain()
