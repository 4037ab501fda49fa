"""Logins that lack a right, are refused, hang or talk too much: each is one clear line, and costs no other host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import AuditRun, command, interrupt, results_of
from tests.support.hosts.host import Host, HostFile, name_hosts
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, Lab, running_lab, sound

pytestmark = pytest.mark.system

WEB1 = NAMES["main"].main
MAIN = f"{WEB1}/https://{WEB1}:443"
_SILENT = "import socket, time; s = socket.create_server(('', 2222)); c = s.accept(); time.sleep(600)"


@pytest.fixture(scope="module")
def lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    with running_lab(authority, sound(authority), "main") as running:
        yield running


@pytest.fixture
def web1(lab: Lab) -> Host:
    return lab.hosts["main"]


def said_of_host(run: AuditRun, label: str = WEB1) -> str:
    """Return what is said of a host that could not be logged into; the rest of the run has to be complete."""
    verdict, message = run.verdict(f"{label}/", "svc.unreachable")
    assert verdict == "inconclusive", run.explain()
    assert run.status == 1, run.explain()
    assert run.lines[-1]["kind"] == "summary"
    return message


def test_local_host_is_audited_without_a_login(web1: Host, lab: Lab) -> None:
    local = Lab(web1, lab.hosts, lab.authority, f"--audit-trust={'/root/anchor.pem'}")
    web1.write(HostFile("/root/anchor.pem", lab.authority.anchor))
    name_hosts(web1, {WEB1: ("198.18.1.2",), NAMES["main"].second: ("198.18.1.2",)})
    run = local.audit("--hosts=local://")
    assert run.status == 0, run.explain()
    assert {one.partition("/")[2] for one in run.endpoints} >= {f"https://{WEB1}:443", f"smtp://{WEB1}:25"}


def test_login_without_rights_reports_which_file_it_cannot_read(lab: Lab) -> None:
    run = lab.audit(f"--hosts=ssh://plain@{WEB1}")
    verdict, message = run.verdict(MAIN, "key.mismatch")
    assert verdict == "inconclusive", run.explain()
    assert "/etc/ssl/nginx/main.key" in message
    assert run.verdict(MAIN, "cert.expired")[0] == "pass"
    assert run.observed(MAIN)["login"] == "plain"  # a plan decides by it what this login may repair
    assert run.with_verdict("fail", "error") == set(), run.explain()


def test_sudo_without_a_password_finds_the_same_as_root(lab: Lab, web1: Host) -> None:
    before = login.sessions(web1)
    run = lab.audit(f"--hosts=ssh://sudoer@{WEB1}", "--sudo")
    assert run.status == 0, run.explain()
    assert run.observed(MAIN)["login"] == "root"
    assert login.sessions(web1) - before <= 4


def test_sudo_that_requires_a_password_fails_at_once(lab: Lab) -> None:
    run = lab.audit(f"--hosts=ssh://asked@{WEB1}", "--sudo")
    assert "sudo" in said_of_host(run)
    assert run.observed(f"{WEB1}/")["elapsed_s"] < 20


def test_refused_login_is_reported_and_other_hosts_are_audited(lab: Lab) -> None:
    run = lab.audit(f"--hosts=ssh://nologin@{WEB1}", "--audit-endpoint", f"https://{WEB1}")
    assert f"ssh://nologin@{WEB1}" in said_of_host(run)
    assert run.verdict(f"https://{WEB1}:443", "cert.expired")[0] == "pass"


def test_host_that_is_down_does_not_change_other_hosts(lab: Lab) -> None:
    name_hosts(lab.auditor, {WEB1: ("198.18.1.2",), NAMES["main"].second: ("198.18.1.2",), "down": ("198.18.1.77",)})
    run = lab.audit(f"--hosts=ssh://root@down,ssh://root@{WEB1}")
    said_of_host(run, "down")
    assert {endpoint for endpoint, _ in run.with_verdict("inconclusive", "fail", "error")} == {"down/"}, run.explain()
    assert MAIN in run.endpoints


def test_login_that_hangs_ends_at_its_deadline_and_delays_no_host(lab: Lab, web1: Host) -> None:
    silent = web1.start("python3", "-c", _SILENT)
    try:
        web1.wait_for(2222)
        run = lab.audit(f"--hosts=ssh://root@{WEB1},ssh://root@{WEB1}:2222")
    finally:
        silent.kill()
        silent.communicate()
    late = f"{WEB1}:2222"
    said_of_host(run, late)
    assert run.observed(f"{late}/")["elapsed_s"] < 60
    order = [(line["kind"], line.get("endpoint")) for line in run.lines]
    assert order.index(("result", MAIN)) < order.index(("observation", f"{late}/")), run.explain()
    assert f"judged later, when they have responded: {late}" in run.output


def test_unknown_host_key_is_not_accepted(lab: Lab, web1: Host) -> None:
    lab.auditor.write(HostFile("/root/.ssh/known_hosts", ""))
    try:
        assert "host key" in said_of_host(lab.audit(f"--hosts=ssh://root@{WEB1}")).lower()
        assert lab.auditor.read("/root/.ssh/known_hosts") == ""
    finally:
        login.know(lab.auditor, web1)


def test_banner_in_every_command_is_not_read_as_output(lab: Lab, web1: Host) -> None:
    chatty = '#!/bin/sh\necho "*** WELCOME ***"\necho "*** be good ***" >&2\nexec /bin/sh "$@"\n'
    web1.write(HostFile("/usr/local/bin/chatty", chatty, 0o755))
    web1.shell("sed -i 's|^root:.*|root:x:0:0:root:/root:/usr/local/bin/chatty|' /etc/passwd")
    try:
        run = lab.audit(f"--hosts=ssh://root@{WEB1}")
        assert run.status == 0, run.explain()
        assert MAIN in run.endpoints
    finally:
        web1.shell("sed -i 's|^root:.*|root:x:0:0:root:/root:/bin/sh|' /etc/passwd")


@pytest.mark.parametrize("signal", ["INT", "TERM"])
def test_interrupted_run_completes_its_files_and_leaves_no_process(lab: Lab, signal: str) -> None:
    lab.auditor.shell("rm -rf /run/audit")
    lab.auditor.write(HostFile("/run/audit/test_last.py", "import time\ndef test_last(): time.sleep(600)\n"))
    running = lab.auditor.start(*command(lab.trust, f"--hosts=ssh://root@{WEB1}", "test_last.py"))
    judged = lambda: MAIN in judged_endpoints(lab.auditor)  # noqa: E731 - said once
    assert wait_until(judged)
    interrupt(lab.auditor, signal)
    output, errors = running.communicate(timeout=240)
    assert running.returncode == 2, output + errors
    assert results_of(lab.auditor)[-1]["kind"] == "summary"
    left = lab.auditor.programs()
    assert left == []


def judged_endpoints(auditor: Host) -> str:
    return auditor.run("grep", '"kind":"result"', "/run/audit/results.jsonl").stdout
