"""What limits logins to real hosts: `--audit-logins`, and a password that sshpass gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import AuditRun, audit, trust
from tests.support.hosts.daemons import DAEMONS
from tests.support.hosts.host import Host, HostFile, connect, name_hosts, running_host
from tests.support.hosts.overlay import NEEDED
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, serve

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif("logins" not in NEEDED, reason="make test-matrix PART=hosts"),
]

WEB1: Final = NAMES["main"].main
ALIASES: Final = tuple(f"alias{number}.example.test" for number in range(6))
NAMES_OF_SLOW: Final = tuple(f"slow{number}.example.test" for number in range(14))
SLOW: Final = "/var/log/slow.log"
_SLOW_KEYS: Final = "#!/bin/sh\nsleep 1\ncat /etc/ssh/keys\n"
"""Each login to the sshd that uses it is unauthenticated for a second."""
_SAMPLES: Final = r"""
while :; do
    ps -e -o args | sed -n 's/.*-p 2223 .*listener. \([0-9]*\) of.*/\1/p' >>/run/unauthenticated
    sleep 0.05
done
"""
PASSWORD: Final = "correct-horse%3Abattery"  # as in a URL
PLAIN: Final = "correct-horse:battery"
WITH_PASSWORD: Final = "/var/log/password.log"
_PATIENT: Final = """
from audit.host.discovery import pool
from audit.host.discovery.slots import Pacing

pool.Pacing = lambda: Pacing(silent_s=600.0, busy_s=600.0)
"""
"""A plugin for which no host is late, so that a busy machine starts no further one."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The host that audits, with sshpass, and a web server with many names."""

    near: Host
    web1: Host
    trust: str

    def audit(self, *arguments: str) -> AuditRun:
        self.near.write(HostFile("/run/audit/patient.py", _PATIENT))
        return audit(self.near, self.trust, "-p", "patient", "--audit-check=cert.expired", *arguments)


@pytest.fixture(scope="module")
def pair(overlays: None, authority: Authority) -> Iterator[Pair]:  # noqa: ARG001 - overlays skips or fails first
    nginx = next(daemon for daemon in DAEMONS if daemon.name == "nginx")
    with running_host("logins", "auditor.example.test") as near, running_host("logins", WEB1) as web1:
        key, address = login.make_key(near), connect(near, web1, 1)
        for host in (near, web1):
            name_hosts(host, dict.fromkeys((WEB1, NAMES["main"].second, *ALIASES, *NAMES_OF_SLOW), (address,)))
        login.admit(web1, key)
        web1.do("chpasswd", stdin=f"plain:{PLAIN}\n".encode())
        web1.shell(
            f"/usr/sbin/sshd -p 2222 -o PasswordAuthentication=yes -o PubkeyAuthentication=no -E {WITH_PASSWORD}"
        )
        web1.write(HostFile("/usr/local/bin/slow-keys", _SLOW_KEYS, 0o755))
        slow = "-o AuthorizedKeysCommand=/usr/local/bin/slow-keys -o AuthorizedKeysCommandUser=root"
        web1.shell(f"/usr/sbin/sshd -p 2223 -o MaxStartups=10:30:100 -o AuthorizedKeysFile=none {slow} -E {SLOW}")
        web1.wait_for(2222, 2223)
        serve(web1, nginx, NAMES["main"], (authority.issue(WEB1), authority.issue(NAMES["main"].second)))
        host_key = web1.read("/etc/ssh/ssh_host_ed25519_key.pub")
        near.write(HostFile("/root/.ssh/known_hosts", f"* {host_key}[*]:2222 {host_key}[*]:2223 {host_key}"))
        yield Pair(near, web1, trust(near, authority.anchor))


def most_sessions(log: str) -> int:
    """Return how many sessions of different logins were open at the same time."""
    most, ports = 0, list[str]()
    for line in log.splitlines():
        if begun := re.search(r"Starting session: command .* port (\d+)", line):
            ports.append(begun[1])
        elif ended := re.search(r"Close session: .* port (\d+)", line):
            ports.remove(ended[1])
        most = max(most, len(set(ports)))
    return most


@pytest.mark.parametrize("limit", [1, 2, 6])
def test_no_more_hosts_are_logged_into_at_once_than_the_limit(pair: Pair, limit: int) -> None:
    before = len(pair.web1.read(login.LOG))
    run = pair.audit("--hosts=" + ",".join(f"ssh://root@{name}" for name in ALIASES), f"--audit-logins={limit}")
    assert {endpoint.partition("/")[0] for endpoint in run.endpoints} == set(ALIASES), run.explain()
    log = pair.web1.read(login.LOG)[before:]
    assert most_sessions(log) == limit if limit < 3 else 2 < most_sessions(log) <= limit, log
    assert log.count("Accepted publickey") == len(ALIASES)


def test_at_most_eight_logins_to_an_sshd_are_unauthenticated_at_once(pair: Pair) -> None:
    samples = pair.web1.start("sh", "-c", _SAMPLES)
    try:
        run = pair.audit("--hosts=" + ",".join(f"ssh://root@{name}:2223" for name in NAMES_OF_SLOW))
    finally:
        samples.kill()
        samples.communicate()
    assert {endpoint.partition("/")[0] for endpoint in run.endpoints} == set(NAMES_OF_SLOW), run.explain()
    assert 2 < max(map(int, pair.web1.read("/run/unauthenticated").split())) <= 8
    log = pair.web1.read(SLOW)
    assert (log.count("Accepted publickey"), log.count("MaxStartups")) == (len(NAMES_OF_SLOW), 0), log


def test_password_of_a_host_logs_in_once_and_is_written_nowhere(pair: Pair) -> None:
    run = pair.audit(f"--hosts=ssh://plain:{PASSWORD}@{WEB1}:2222", "-vv", "--junitxml=junit.xml")
    assert f"{WEB1}/https://{WEB1}:443" in run.endpoints, run.explain()
    assert pair.web1.read(WITH_PASSWORD).count("Accepted password for plain") == 1
    words = f"-e '{PLAIN}' -e '{PASSWORD}'"
    assert "battery" not in run.output
    assert pair.near.run("sh", "-c", f"grep -rlF {words} /run/audit").stdout == ""


def test_wrong_password_is_refused_once(pair: Pair) -> None:
    before = pair.web1.read(WITH_PASSWORD).count("Failed password")
    run = pair.audit(f"--hosts=ssh://plain:wrong@{WEB1}:2222", "--audit-check=svc.unreachable")
    verdict, message = run.verdict(f"{WEB1}/", "svc.unreachable")
    assert (verdict, "the login was refused" in message) == ("inconclusive", True), run.explain()
    assert pair.web1.read(WITH_PASSWORD).count("Failed password") - before == 1, pair.web1.read(WITH_PASSWORD)
