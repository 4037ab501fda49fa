"""The collector on a real host: a login that may run it alone audits what root audits, and can do nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from audit.host.collector import PATH, collector_text
from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, Lab, running_lab, sound

pytestmark = pytest.mark.system

WEB1 = NAMES["main"].main
_RULE = f'plain ALL=(root) NOPASSWD: {PATH} ""\n'
_CONFIGURATION = f'[host."*"]\ncollector = "{PATH}"\n'


@pytest.fixture(scope="module")
def lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    with running_lab(authority, sound(authority), "main") as running:
        running.hosts["main"].write(
            HostFile(PATH, collector_text(), 0o755), HostFile("/etc/sudoers.d/collector", _RULE, 0o440)
        )
        running.auditor.write(HostFile("/root/collector.toml", _CONFIGURATION, 0o600))
        yield running


def judged(run: AuditRun) -> dict[tuple[str, str], tuple[str, str]]:
    return {(line["endpoint"], line["check"]): (line["verdict"], line["message"]) for line in run.results}


def as_plain(host: Host, *argv: str) -> int:
    return host.run("setpriv", "--reuid=plain", "--regid=plain", "--clear-groups", *argv).returncode


def test_login_with_the_collector_alone_audits_what_root_audits(lab: Lab) -> None:
    lab.hosts["main"].shell("chmod 644 /etc/ssl/nginx/second.key")
    as_root = lab.audit(f"--hosts=ssh://root@{WEB1}")
    before = login.sessions(lab.hosts["main"])
    run = lab.audit(f"--hosts=ssh://plain@{WEB1}", "--audit-config=/root/collector.toml")
    assert judged(run) == judged(as_root), run.explain()
    assert (run.status, run.endpoints) == (as_root.status, as_root.endpoints)
    assert login.sessions(lab.hosts["main"]) - before <= 4


@pytest.mark.parametrize(
    "argv",
    [("id",), ("/bin/sh", "-c", "id"), (PATH, "clean"), (PATH, "-c", "id"), ("-u", "sudoer", PATH), ("-s",)],
    ids=" ".join,
)
def test_login_with_the_collector_alone_can_do_nothing_else(lab: Lab, argv: tuple[str, ...]) -> None:
    assert as_plain(lab.hosts["main"], "sudo", "-n", *argv) != 0


def test_collector_of_another_version_is_named(lab: Lab) -> None:
    lab.hosts["main"].shell(f"cp {PATH} /root/kept; sed -i 's/^version=.*/version=0123456789abcdef/' {PATH}")
    try:
        run = lab.audit(f"--hosts=ssh://plain@{WEB1}", "--audit-config=/root/collector.toml")
        verdict, message = run.verdict(f"{WEB1}/", "svc.unreachable")
        assert verdict == "inconclusive"
        assert "sslaudit collector --print" in message
    finally:
        lab.hosts["main"].shell(f"mv /root/kept {PATH}")
