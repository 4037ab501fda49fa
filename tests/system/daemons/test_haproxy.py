"""An audit of a real haproxy: each certificate is found on disk, and is served at each socket under each name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from tests.support.hosts import audit_run, ssh_login
from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.host import Host, HostFile, connect, name_hosts, running_host
from tests.support.hosts.pki import Authority, Credential

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

HOST: Final = "web1.example.test"
FOLDER: Final = "/etc/haproxy/tls"
GLOBAL: Final = f"""global
  chroot /var/lib/haproxy
  user haproxy
  group haproxy
  crt-base {FOLDER}
defaults web
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
defaults raw
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
"""
SITES: Final = """frontend sites from web
  bind :80
  bind "${SITES_AT}:443" ssl crt main.pem crt sites alpn h2,http/1.1
  bind [::]:443 v6only ssl crt main.pem crt sites
  bind 127.0.0.1:8001-8002 ssl strict-sni crt-list /etc/haproxy/list
  acl is_shop hdr(host) -i shop.wild.example.test
  http-request return status 200
.if defined(HAPROXY_MWORKER_NEVER)
frontend never from web
  bind :7000 ssl crt main.pem
.endif
"""
PASSED: Final = """frontend passed from raw
  bind :9443
  default_backend sites
backend sites from raw
  server local 127.0.0.1:443
listen inner from raw
  bind abns@inner ssl crt main.pem
  server local 127.0.0.1:80
"""


@dataclass(frozen=True, slots=True)
class Audited:
    """The host, the audit's run, and what is installed in each file."""

    host: Host
    run: AuditRun
    credentials: dict[str, Credential]


def credentials(authority: Authority) -> dict[str, Credential]:
    """Return a certificate for each file below the folder; that of `sites/b.pem` has expired."""
    return {
        "main.pem": authority.issue(HOST),
        "sites/a.pem": authority.issue("www.example.test", "x.example.test"),
        "sites/b.pem": authority.issue("old.example.test", begins=-60, lasts=30),
        "sites/c.pem": authority.issue("apart.example.test"),
        "list.pem": authority.issue("listed.example.test"),
        "wild.pem": authority.issue("*.wild.example.test"),
    }


def written(placed: dict[str, Credential]) -> Iterator[HostFile]:
    """Yield all files of the host; the key of `sites/c.pem` is in a file of its own."""
    apart = placed["sites/c.pem"]
    for path, credential in placed.items():
        key = "" if credential is apart else credential.key
        yield HostFile(f"{FOLDER}/{path}", key + credential.fullchain, 0o600)
    yield HostFile(f"{FOLDER}/sites/c.pem.key", apart.key, 0o600)
    yield HostFile(f"{FOLDER}/sites/.left", "not a certificate")
    yield HostFile("/etc/haproxy/list", "list.pem [alpn h2]\n# wildcards\nwild.pem *.wild.example.test\n")
    yield HostFile("/etc/haproxy/conf/1-global.cfg", GLOBAL)
    yield HostFile("/etc/haproxy/conf/2-sites.cfg", SITES)
    yield HostFile("/etc/haproxy/conf/note.txt", "not a configuration")
    yield HostFile("/etc/haproxy/passed.cfg", PASSED)


@pytest.fixture(scope="module")
def audited(overlays: None, authority: Authority) -> Iterator[Audited]:  # noqa: ARG001 - overlays skips or fails first
    with running_host("main", "auditor.example.test") as auditor, running_host("main", HOST) as host:
        public_key = ssh_login.make_key(auditor)
        address = connect(auditor, host, 1)
        sites = ("www", "x", "old", "apart", "listed", "shop.wild")
        names = dict.fromkeys((HOST, *(f"{site}.example.test" for site in sites)), (address,))
        name_hosts(host, names)
        name_hosts(auditor, {"auditor.example.test": ("127.0.1.1",), **names})
        ssh_login.admit(host, public_key)
        ssh_login.know(auditor, host)
        placed = credentials(authority)
        host.write(*written(placed))
        host.shell("SITES_AT= haproxy -W -D -f /etc/haproxy/conf -p /run/haproxy.pid -- /etc/haproxy/passed.cfg")
        host.wait_for(80, 443, 8001, 8002, 9443)
        trust = audit_run.trust(auditor, authority.anchor)
        yield Audited(host, audit_run.audit(auditor, trust, f"--hosts=ssh://root@{HOST}"), placed)


def files_of(audited: Audited) -> dict[str, list[str]]:
    """Return the installed files of each endpoint of haproxy, by `NAME:PORT`."""
    seen = {endpoint: audited.run.observed(endpoint) for endpoint in audited.run.endpoints}
    return {
        endpoint.partition("://")[2]: [file["path"].removeprefix(f"{FOLDER}/") for file in observed["installed"]]
        for endpoint, observed in seen.items()
        if observed["service"] == "haproxy"
    }


def test_each_certificate_is_found_under_its_names_at_each_socket(audited: Audited) -> None:
    assert files_of(audited) == {
        f"{HOST}:443": ["main.pem"] * 2,
        "www.example.test:443": ["sites/a.pem"] * 2,
        "x.example.test:443": ["sites/a.pem"] * 2,
        "old.example.test:443": ["sites/b.pem"] * 2,
        "apart.example.test:443": ["sites/c.pem", "sites/c.pem.key"],
        "listed.example.test:8001": ["list.pem"] * 2,
        "listed.example.test:8002": ["list.pem"] * 2,
        "shop.wild.example.test:8001": ["wild.pem"] * 2,
        "shop.wild.example.test:8002": ["wild.pem"] * 2,
    }, audited.run.explain()


def test_served_certificate_is_the_installed_one_at_every_address(audited: Audited) -> None:
    for place in files_of(audited):
        endpoint = f"{HOST}/https://{place}"
        for check in ("svc.disk-vs-wire", "svc.address-mismatch", "key.mismatch", "cert.name-mismatch"):
            if (endpoint, check) in {(line["endpoint"], line["check"]) for line in audited.run.results}:
                assert audited.run.verdict(endpoint, check)[0] in ("pass", "not-applicable"), audited.run.explain()
        assert audited.run.verdict(endpoint, "svc.disk-vs-wire")[0] == "pass"


def test_expired_certificate_in_a_directory_is_found(audited: Audited) -> None:
    assert ("fail", "cert.expired") in {
        (line["verdict"], line["check"])
        for line in audited.run.results
        if line["endpoint"] == f"{HOST}/https://old.example.test:443"
    }
    expired = {endpoint for endpoint, check in audited.run.with_verdict("fail") if check == "cert.expired"}
    assert expired == {f"{HOST}/https://old.example.test:443"}


def test_port_with_tls_passthrough_is_found_as_an_unknown_service(audited: Audited) -> None:
    passed = audited.run.observed(f"{HOST}/https://{HOST}:9443")
    assert (passed["service"], passed["installed"]) == ("unknown", [])


def test_unreachable_haproxy_socket_is_reported(audited: Audited) -> None:
    verdict, message = audited.run.verdict(f"{HOST}/", "svc.unreachable")
    assert verdict == "inconclusive"
    assert "haproxy serves TLS at abns@inner, which is not a TCP socket" in message


def test_key_and_other_text_of_haproxy_do_not_leave_the_host(audited: Audited) -> None:
    keys = [credential.key.splitlines()[1] for credential in audited.credentials.values()]
    text = audited.run.output + str(audited.run.lines)
    assert [key for key in keys if key in text] == []
