"""dovecot of Debian 12 (2.3) and Debian 13 (2.4), audited: each address and name with the certificate it serves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import AuditRun, audit, trust
from tests.support.hosts.host import HostFile, connect, name_hosts, running_host
from tests.support.hosts.overlay import RELEASES
from tests.support.hosts.pki import Authority
from tests.support.hosts.systemd_host import running_systemd_host

pytestmark = pytest.mark.system

MAIL: Final = "mail.example.test"
BY_NAME: Final = "imap.example.test"
BY_PROTOCOL: Final = "sub.example.test"
OLD: Final = "ssl_cert = </etc/ssl/{0}.crt\nssl_key = </etc/ssl/{0}.key\n"
NEW: Final = "ssl_server_cert_file = /etc/ssl/{0}.crt\nssl_server_key_file = /etc/ssl/{0}.key\n"
COMMON: Final = """{main}
local {network} {{
  local_name {by_name} {{
{named}  }}
}}
remote 203.0.113.0/24 {{
{named}}}
service imap-login {{
  inet_listener proxied {{
    port = 10993
    ssl = yes
    haproxy = yes
  }}
}}
haproxy_trusted_networks = 0.0.0.0/0 ::/0
"""
MORE: Final = """protocols {
  pop3 = no
  submission = no
}
service lmtp {
  inet_listener lmtp {
    port = 24
  }
}
protocol sieve {
%s}
"""


@dataclass(frozen=True, slots=True)
class Audited:
    """A release, and the audit of a host that runs its dovecot."""

    release: str
    run: AuditRun


@pytest.fixture(scope="module", params=RELEASES)
def audited(request: pytest.FixtureRequest, overlays: None, authority: Authority) -> Iterator[Audited]:  # noqa: ARG001 - overlays skips or fails first
    form = OLD if request.param == "debian12" else NEW
    with running_host("main", "auditor.example.test") as auditor, running_systemd_host(request.param, MAIL) as host:
        public_key = login.make_key(auditor)
        address = connect(auditor, host, 1)
        names = dict.fromkeys((MAIL, BY_NAME, BY_PROTOCOL), (address,))
        name_hosts(auditor, {"auditor.example.test": ("127.0.1.1",), **names})
        login.admit(host, public_key)
        login.know(auditor, host)
        text = COMMON.format(
            main=form.format(MAIL), network=f"{address}/24", by_name=BY_NAME, named=form.format(BY_NAME)
        ) + ("" if request.param == "debian12" else MORE % form.format(BY_PROTOCOL))  # fmt: skip
        files = [file for name in names for file in authority.issue(name).at(f"/etc/ssl/{name}")]
        host.write(*files, HostFile("/etc/dovecot/local.conf", text))
        host.shell("systemctl restart dovecot")
        host.wait_for(143, 993, 10993)
        yield Audited(request.param, audit(auditor, trust(auditor, authority.anchor), f"--hosts=ssh://root@{MAIL}"))


def certificate_of(run: AuditRun, endpoint: str) -> str:
    """Return the configured certificate of an endpoint that was observed, and serves what is on disk."""
    seen = run.observed(f"{MAIL}/{endpoint}")
    assert seen["failure"] is None, run.explain()
    assert run.verdict(f"{MAIL}/{endpoint}", "svc.disk-vs-wire")[0] == "pass", run.explain()
    (path,) = (file["path"] for file in seen["installed"] if file["path"].endswith(".crt"))
    return str(path)


def test_each_listener_is_observed_with_its_own_certificate(audited: Audited) -> None:
    expected = {
        f"imap://{MAIL}:143": MAIL, f"imap://{BY_NAME}:143": BY_NAME,
        f"imaps://{MAIL}:993": MAIL, f"imaps://{BY_NAME}:993": BY_NAME,
        f"imaps://{MAIL}:10993": MAIL, f"imaps://{BY_NAME}:10993": BY_NAME,
    }  # fmt: skip
    if audited.release != "debian12":
        expected |= {
            f"lmtp://{MAIL}:24": MAIL,
            f"sieve://{MAIL}:4190": BY_PROTOCOL, f"sieve://{BY_NAME}:4190": BY_NAME,
            f"sieve://{MAIL}:2000": BY_PROTOCOL, f"sieve://{BY_NAME}:2000": BY_NAME,
        }  # fmt: skip
    run = audited.run
    assert {endpoint.removeprefix(f"{MAIL}/") for endpoint in run.endpoints} == set(expected), run.explain()
    assert {endpoint: certificate_of(run, endpoint) for endpoint in expected} == {
        endpoint: f"/etc/ssl/{name}.crt" for endpoint, name in expected.items()
    }


def test_certificate_for_some_clients_alone_is_named(audited: Audited) -> None:
    verdict, message = audited.run.verdict(f"{MAIL}/", "svc.unreachable")
    assert verdict == "inconclusive", audited.run.explain()
    client = f"/etc/ssl/{BY_NAME}.crt, for the clients in `remote 203.0.113.0/24`"
    assert f"dovecot has another certificate, {client}" in message
