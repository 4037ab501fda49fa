"""A local user who does all it can for a while: what is audited and repaired as root is the same as without it.

The attack lasts some 20 s, or as many as `SSLAUDIT_TEST_ATTACK_S` says.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from remediate.hosts import script
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import HostWorkdir
from remediate.installers import INSTALLERS
from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, Lab, running_lab, sound
from tests.support.remediate.challenge_files import ChallengeFile

pytestmark = pytest.mark.system

WEB1: Final = NAMES["main"].main
USER: Final = 1001
HOME: Final = "/home/mallory"
PROGRAMS: Final = 60
ATTACK_S: Final = float(os.environ.get("SSLAUDIT_TEST_ATTACK_S", "20"))
AS_USER: Final = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "env", f"HOME={HOME}")
NAMED: Final = ("nginx", "apache2", "exim4", "dovecot", "proftpd", "vsftpd", "master")
PATHS: Final = ("www", "tls.key", "tls.crt", "log/access.log", "own.conf")
"""What the configuration of root's nginx names in the user's home."""

_PROGRAM: Final = """#!/usr/bin/python3
import os, socket, sys, time
with open("/home/mallory/ran-as", "a") as file:
    print(os.getresuid(), file=file)
if len(sys.argv) > 1:
    time.sleep(300)
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
time.sleep(600)
"""
_SITE: Final = f"""
server {{
  listen 127.0.0.1:8444 ssl; server_name mallory.example.test;
  ssl_certificate {HOME}/tls.crt; ssl_certificate_key {HOME}/tls.key;
  root {HOME}/www; access_log {HOME}/log/access.log;
}}
"""
# Each path in turn is what it was, a link to a file or a directory of root's, a FIFO, a huge file and nothing.
_LOOP: Final = """
cd /home/mallory
mkfifo fifo; truncate -s 1T huge; mkdir -p evil; : >"evil/a
b"
while :; do
  for p in www tls.key tls.crt log/access.log own.conf; do
    for target in /etc/shadow /root/secret /root /home/victim "$PWD/fifo" "$PWD/huge" "$PWD/evil/a
b"; do
      rm -rf "$p"; ln -s "$target" "$p"
    done
    rm -rf "$p"; mkfifo "$p"
    rm -rf "$p"; mkdir "$p"
  done
done
"""


@pytest.fixture
def lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    with running_lab(authority, sound(authority), "main") as running:
        yield running


def prepared(lab: Lab) -> Host:
    """Return the host with a user's home, named by root's own web server."""
    web1, credential = lab.hosts["main"], lab.authority.issue("mallory.example.test")
    web1.write(
        HostFile(f"{HOME}/tls.crt", credential.fullchain),
        HostFile(f"{HOME}/tls.key", credential.key, 0o604),
        HostFile("/root/secret", "precious\n", 0o604),
        *(HostFile(f"{HOME}/bin/{name}", _PROGRAM, 0o755) for name in NAMED),
    )
    web1.shell(
        f"mkdir -p /home/victim {HOME}/www {HOME}/log; chmod 755 /root; chown -R 1002:1002 /home/victim;"
        f"chown -R {USER}:{USER} {HOME}"
    )
    text = web1.read("/etc/nginx/nginx.conf").rstrip().removesuffix("}")
    web1.write(HostFile("/etc/nginx/nginx.conf", f"{text}{_SITE}}}\n"))
    web1.shell("nginx -s reload")
    web1.wait_for(8444)
    return web1


def ran_as(web1: Host) -> list[str]:
    """Return as which users the user's programs ran, a line for each start."""
    return web1.run("cat", f"{HOME}/ran-as").stdout.splitlines()


@contextmanager
def attacked(web1: Host) -> Iterator[None]:
    """Let the user run many programs and a loop that swaps links; they end with the test."""
    started: list[subprocess.Popen[str]] = []
    try:
        started.extend(web1.start(*AS_USER, f"{HOME}/bin/{NAMED[number % len(NAMED)]}") for number in range(PROGRAMS))
        started.append(web1.start(*AS_USER, "sh", "-c", _LOOP))
        assert wait_until(
            lambda: len(ran_as(web1)) == PROGRAMS and web1.run("test", "-p", f"{HOME}/fifo").returncode == 0
        )
        yield
    finally:
        web1.run("pkill", "-KILL", "-u", str(USER))
        for process in started:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()


def run(web1: Host, command: Command) -> CommandResult:
    done = web1.run("sh", "-c", command.script, "sh", *command.arguments, timeout_s=command.timeout_s + 60)
    return CommandResult(done.returncode, done.stdout, done.stderr)


def repairing(web1: Host) -> list[str]:
    """Do what a repair does at the user's paths and with root's services once; return what failed of root's."""
    workdir = HostWorkdir(WEB1, "c4f3", "test")
    key = f"{HOME}/tls.key"
    token = ChallengeFile(workdir, f"{HOME}/www", "mallory.example.test")
    for command in (
        workdir.exclusive("close a key", script("key/set_modes"), key, "closed"),
        token.present(),
        token.clean_up(),
        workdir.read_only("read a log", script("inspect/access_logs"), "token", "40", f"{HOME}/log/access.log"),
        workdir.read_only("read a leaf", script("inspect/installed_leaves"), f"{HOME}/tls.crt"),
    ):
        done = run(web1, command)
        assert "precious" not in done.output + done.error
        assert "root:" not in done.output + done.error
    tested = [(name, run(web1, INSTALLERS[name].check_config(WEB1))) for name in ("apache", "dovecot", "exim")]
    taken_up = [(name, run(web1, INSTALLERS[name].reload(WEB1))) for name in ("dovecot", "exim")]
    return [f"{name}: {done}" for name, done in (*tested, *taken_up) if not done.ok]


def verdicts(found: AuditRun) -> dict[tuple[str, str], str]:
    """Return the verdicts of root's services: those of the endpoints that are not the user's.

    Whether nginx would start again depends on the user's files in truth, because root's configuration names them.
    """
    own = (one for one in found.results if "://" in one["endpoint"] and "mallory" not in one["endpoint"])
    return {
        (one["endpoint"], one["check"]): one["verdict"]
        for one in own
        if not (one["check"] == "svc.config-missing-file" and one["endpoint"].endswith(":443"))
    }


def rights(web1: Host) -> set[str]:
    """Return mode, owner and kind of what a repair or an audit could reach beside the user's own."""
    found = web1.shell(
        "find /etc /root /srv /home/victim /var/www /var/lib/dpkg -xdev -printf '%p %m %U:%G %y\\n' || :"
    )
    return set(found.splitlines())


def test_hostile_user_changes_no_result_and_no_file_of_other_users(lab: Lab) -> None:
    web1 = prepared(lab)
    login = f"--hosts=ssh://root@{WEB1}"
    quiet = verdicts(lab.audit(login))
    before = rights(web1)
    end = time.monotonic() + ATTACK_S
    with attacked(web1):
        failed = list[str]()
        while not failed and time.monotonic() < end:
            failed = repairing(web1)
        loud = lab.audit(login)
    assert failed == []
    seen = verdicts(loud)
    assert quiet, loud.explain()
    assert {key: seen.get(key) for key in quiet} == quiet, loud.explain()
    assert {one for one in rights(web1) ^ before if "__pycache__" not in one} == set()
    assert set(ran_as(web1)) == {f"({USER}, {USER}, {USER})"}
    assert web1.read("/root/secret") == "precious\n"
    assert web1.do("find", "/home/victim").split() == ["/home/victim"]
