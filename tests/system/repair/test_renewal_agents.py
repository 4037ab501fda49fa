"""Certificates that other software manages on a real host: a placeholder of Debian, and those of a renewal agent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography import x509

from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.openssl_client import served, wait_until
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, Lab, running_lab, sound

pytestmark = pytest.mark.system

WEB1 = NAMES["main"].main
MAIN = f"{WEB1}/https://{WEB1}:443"
SECOND = f"{WEB1}/https://{NAMES['main'].second}:443"


@pytest.fixture
def lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    with running_lab(authority, sound(authority), "main") as running:
        yield running


def leaves(host: Host, name: str) -> list[x509.Certificate]:
    """Return the leaf that is served under a name on port 443."""
    return list(served(host, 443, name)[:1])


def test_snakeoil_certificate_of_debian_counts_as_a_missing_certificate(lab: Lab) -> None:
    web1 = lab.hosts["main"]
    web1.shell(
        "make-ssl-cert generate-default-snakeoil --force-overwrite;"
        "sed -i 's|/etc/ssl/nginx/main.crt|/etc/ssl/certs/ssl-cert-snakeoil.pem|;"
        "s|/etc/ssl/nginx/main.key|/etc/ssl/private/ssl-cert-snakeoil.key|' /etc/nginx/nginx.conf;"
        "nginx -s reload"
    )
    oil = web1.read("/etc/ssl/certs/ssl-cert-snakeoil.pem").encode()
    assert wait_until(lambda: leaves(web1, WEB1) == [x509.load_pem_x509_certificate(oil)])
    run = lab.audit(f"--hosts=ssh://root@{WEB1}")
    assert run.with_verdict("fail") == {(MAIN, "svc.certificate-missing")}, run.explain()


def test_certificate_managed_by_certbot_is_reported_with_its_agent(lab: Lab) -> None:
    web1, name = lab.hosts["main"], NAMES["main"].second
    credential = lab.authority.issue(name)
    archive = f"/etc/letsencrypt/archive/{name}"
    web1.write(
        HostFile(f"{archive}/fullchain1.pem", credential.fullchain),
        HostFile(f"{archive}/privkey1.pem", credential.key, 0o600),
    )
    web1.shell(
        f"mkdir -p /etc/letsencrypt/live/{name}; cd /etc/letsencrypt/live/{name};"
        f"ln -s ../../archive/{name}/fullchain1.pem fullchain.pem; ln -s ../../archive/{name}/privkey1.pem privkey.pem;"
        f"sed -i 's|/etc/ssl/nginx/second.crt|/etc/letsencrypt/live/{name}/fullchain.pem|;"
        f"s|/etc/ssl/nginx/second.key|/etc/letsencrypt/live/{name}/privkey.pem|' /etc/nginx/nginx.conf;"
        "nginx -s reload"
    )
    new = x509.load_pem_x509_certificate(credential.certificate.encode())
    assert wait_until(lambda: leaves(web1, name) == [new])
    run = lab.audit(f"--hosts=ssh://root@{WEB1}")
    assert run.status == 0, run.explain()
    verdict, message = run.verdict(SECOND, "ops.foreign-agent")
    assert (verdict, "certbot" in message) == ("fail", True), run.explain()
