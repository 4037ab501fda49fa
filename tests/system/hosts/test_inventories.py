"""Inventories of a real ansible: one that hangs is named, ends at its deadline and delays no other host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import AuditRun, audit, command, interrupt, trust
from tests.support.hosts.daemons import DAEMONS
from tests.support.hosts.host import Host, HostFile, connect, name_hosts, running_host
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.overlay import NEEDED
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, serve

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif("logins" not in NEEDED, reason="make test-matrix PART=hosts"),
]

WEB1: Final = NAMES["main"].main
MAIN: Final = f"{WEB1}/https://{WEB1}:443"
HANGING: Final = "/root/hanging"
LISTING: Final = "/root/listing"
_HANGS: Final = "#!/bin/sh\necho begun >/run/begun\nsleep 600\n"
_LISTED: Final = {"web": {"ansible_host": WEB1, "ansible_user": "root"}}
_LISTING: Final = json.dumps({"all": {"hosts": list(_LISTED)}, "_meta": {"hostvars": _LISTED}})
_LISTS: Final = f"#!/bin/sh\necho '{_LISTING}'\n"


@pytest.fixture(scope="module")
def web1(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - overlays skips or fails first
    with running_host("logins", WEB1) as host:
        yield host


@pytest.fixture(scope="module")
def near(web1: Host, authority: Authority) -> Iterator[Host]:
    """Return the host that audits: it has ansible, and two programs that list hosts."""
    nginx = next(daemon for daemon in DAEMONS if daemon.name == "nginx")
    with running_host("logins", "auditor.example.test") as host:
        key, address = login.make_key(host), connect(host, web1, 1)
        for machine in (host, web1):
            name_hosts(machine, dict.fromkeys((WEB1, NAMES["main"].second), (address,)))
        login.admit(web1, key)
        serve(web1, nginx, NAMES["main"], (authority.issue(WEB1), authority.issue(NAMES["main"].second)))
        login.know(host, web1)
        host.write(HostFile(HANGING, _HANGS, 0o755), HostFile(LISTING, _LISTS, 0o755))
        trust(host, authority.anchor)
        yield host


def run_with(near: Host, inventory: str, *hosts: str, timeout_s: int = 60) -> AuditRun:
    limit = f"--audit-host-timeout={timeout_s}"
    given = f"--hosts={','.join((*hosts, 'ansible://all'))}"
    return audit(near, "--audit-trust=/root/anchor.pem", f"--ansible-inventory={inventory}", given, limit)


def processes(near: Host) -> list[str]:
    return near.programs()


def test_hanging_inventory_is_named_and_other_hosts_are_judged_before(near: Host) -> None:
    run = run_with(near, HANGING, f"ssh://root@{WEB1}", timeout_s=24)
    verdict, message = run.verdict("all/", "svc.unreachable")
    assert (verdict, run.status) == ("inconclusive", 1), run.explain()
    assert f"ansible://all: the inventory {HANGING} was not read within 12 s" in message
    assert {endpoint for endpoint, _ in run.with_verdict("inconclusive", "fail", "error")} == {"all/"}, run.explain()
    order = [(line["kind"], line.get("endpoint")) for line in run.lines]
    assert order.index(("result", MAIN)) < order.index(("observation", "all/")), run.explain()
    assert f"judged later, when they have responded: the inventory {HANGING}" in run.output
    assert processes(near) == []


def test_interrupt_ends_a_hanging_inventory(near: Host) -> None:
    for signal, status in (("INT", 2), ("KILL", -9)):
        near.shell("rm -f /run/begun")
        running = near.start(*command("--hosts=ansible://all", f"--ansible-inventory={HANGING}"))
        try:
            assert wait_until(lambda: near.run("test", "-e", "/run/begun").returncode == 0), near.ps()
            interrupt(near, signal)
            output, errors = running.communicate(timeout=60)
            assert running.returncode == status, output + errors
            assert wait_until(lambda: processes(near) == []), processes(near)
        finally:
            running.kill()
            running.communicate()


def test_host_of_a_program_that_lists_hosts_is_logged_into_once(near: Host, web1: Host) -> None:
    before = web1.read(login.LOG).count("Accepted publickey")
    run = run_with(near, LISTING)
    assert f"web/https://{WEB1}:443" in run.endpoints, run.explain()
    assert web1.read(login.LOG).count("Accepted publickey") - before == 1
