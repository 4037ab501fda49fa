"""Names that a repair would have validated by HTTP, on a host without a panel: its port 80 and its firewall."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from audit.host.collector import PATH, collector_text
from tests.support.hosts.audit_run import AuditRun, audit, trust
from tests.support.hosts.host import Host, HostFile, name_hosts, running_host
from tests.support.hosts.pki import Authority

pytestmark = pytest.mark.system

WEB1: Final = "web1.example.test"
WWW: Final = "www.example.test"
TOKEN: Final = f"/srv/www/.well-known/pki-validation/{'0AF1' * 8}.txt"
ADDRESS: Final = "198.18.0.7"
NGINX: Final = f"""events {{}}
http {{
  server {{ listen 80; return 403; }}
  server {{ listen 80; server_name {WWW}; root /srv/www; }}
  server {{
    listen 443 ssl; server_name {WEB1} {WWW};
    ssl_certificate /etc/ssl/web1.crt; ssl_certificate_key /etc/ssl/web1.key;
  }}
}}
"""
RULES: Final = """table inet filter {
  chain input { type filter hook input priority 0; policy accept; iif lo accept; tcp dport 80 drop; }
}
"""
CONFIGURATION: Final = """[issuer.store]
kind = "store"
base_url = "https://store.example.test/api"
token = { file = "/run/token" }
[remediate]
issuer = "store"
"""
CHECKS: Final = tuple(
    f"dcv.{name}" for name in ("firewall", "firewall-narrow", "http-unreachable", "redirect-illegal", "stale-token")
)


@pytest.fixture(scope="module")
def host(overlays: None, authority: Authority) -> Iterator[Host]:  # noqa: ARG001 - overlays skips or fails first
    with running_host("main", WEB1) as host:
        host.shell(f"ip addr add {ADDRESS}/24 dev lo")
        name_hosts(host, {WEB1: (ADDRESS,), WWW: (ADDRESS,)})
        trust(host, authority.anchor)
        host.write(*authority.issue(WEB1, WWW).at("/etc/ssl/web1"), HostFile("/etc/nginx/nginx.conf", NGINX))
        host.write(HostFile("/root/rules.nft", RULES), HostFile("/run/token", "secret", 0o600))
        host.write(HostFile(TOKEN, "old"), HostFile(f"{TOKEN}.bak", "no token"))
        host.shell(f"touch -d '40 days ago' {TOKEN} {TOKEN}.bak")
        host.shell("nginx; nft -f /root/rules.nft")
        host.wait_for(80, 443)
        yield host


def audited(host: Host, configuration: str) -> AuditRun:
    host.write(HostFile("/run/sslaudit.toml", configuration))
    return audit(host, "--audit-trust=/root/anchor.pem", "--hosts=local://", "--audit-config=/run/sslaudit.toml")


def test_port_80_of_a_name_that_a_repair_validates_is_judged(host: Host) -> None:
    run = audited(host, CONFIGURATION)
    verdicts = {check: run.verdict("local/", check) for check in CHECKS}
    expected = dict(zip(CHECKS, ("fail", "inconclusive", "fail", "pass", "fail"), strict=True))
    assert {check: verdict for check, (verdict, _) in verdicts.items()} == expected, run.explain()
    assert "TCP port 80 is closed to " in verdicts["dcv.firewall"][1]
    assert f"http://{WEB1}/.well-known/pki-validation/" in verdicts["dcv.http-unreachable"][1]
    assert verdicts["dcv.stale-token"][1].endswith(f"remove {TOKEN} (40 days old)")
    assert f"at {ADDRESS} returns 403 instead of 404" in verdicts["dcv.http-unreachable"][1]


def test_login_with_the_collector_alone_reads_firewall_and_tokens(host: Host) -> None:
    host.write(HostFile(PATH, collector_text(), 0o755))
    run = audited(host, f"{CONFIGURATION}[host.'local://']\ncollector = '{PATH}'\n")
    assert run.verdict("local/", "dcv.firewall")[0] == "fail", run.explain()
    assert run.verdict("local/", "dcv.stale-token")[0] == "fail", run.explain()


@pytest.mark.parametrize("further", ["[host.'local://']\nremediate = false\n", None])
def test_host_without_names_to_validate_has_no_such_finding(host: Host, further: str | None) -> None:
    run = audited(host, "" if further is None else CONFIGURATION + further)
    assert {run.verdict("local/", check)[0] for check in CHECKS} == {"not-applicable"}, run.explain()
