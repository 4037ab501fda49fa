"""A local user of a host gets no rights by a repair: its processes, links and files are never used as root's."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final

import pytest

from remediate.access_logs.collect import scan_command
from remediate.execution.steps.file_modes import close_command
from remediate.hosts.command import Command
from remediate.hosts.renewal_agents import RENEWAL_AGENTS, renewal_command
from remediate.hosts.workdir import HostWorkdir
from remediate.installers import INSTALLERS
from remediate.model.case import UsedFile
from tests.support.hosts.daemons import DAEMONS, Names
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import serve
from tests.support.remediate.challenge_files import ChallengeFile

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NAMES: Final = Names("web1.example.test", "www.example.test")
MALLORY: Final = 1001
VICTIM: Final = 1002
HOME: Final = "/home/mallory"
SECRET: Final = "/root/secret"
WORKDIR: Final = HostWorkdir(NAMES.main, "c4f3", "test")
AS_MALLORY: Final = ("setpriv", f"--reuid={MALLORY}", f"--regid={MALLORY}", "--clear-groups")
_PRETENDER: Final = """#!/usr/bin/python3
import os, socket, time
with open("/home/mallory/ran-as", "a") as file:
    print(os.getresuid(), file=file)
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
server.bind(("127.0.0.1", 2100))
server.listen()
time.sleep(300)
"""
_SWAPS: Final = """
while :; do
  ln -sfn "$1" "$3.new"; mv -fT "$3.new" "$3"
  rm -rf "$3"; cp -rp "$2" "$3.copy" 2>/dev/null && mv -fT "$3.copy" "$3"
done
"""


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with running_host(getattr(request, "param", "main"), NAMES.main) as running:
        running.shell(
            f"mkdir -p /home/victim {HOME}; chown {MALLORY}:{MALLORY} {HOME}; chown {VICTIM}:{VICTIM} /home/victim;"
            f"chmod 755 {HOME} /home/victim; echo precious >{SECRET}; chmod 604 {SECRET}; chmod 755 /root"
        )
        yield running


def as_mallory(host: Host, script: str, *arguments: str) -> str:
    return host.do(*AS_MALLORY, "sh", "-euc", script, "sh", *arguments)


def state_of(host: Host, *paths: str) -> str:
    """Return owner, mode, kind and content of files, as root sees them."""
    look = 'for p in "$@"; do stat -c "%n %F %u:%g %a" "$p"; [ -d "$p" ] || cat "$p"; done'
    return host.do("sh", "-c", look, "sh", *paths)


def ended(process: subprocess.Popen[str]) -> None:
    """End a process; what it started may hold its output open for longer."""
    process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()


@contextmanager
def swapping(host: Host, target: str, original: str, path: str) -> Iterator[None]:
    """Let the user make a link of a path and the original of it again, as fast as a shell can."""
    process = host.start(*AS_MALLORY, "sh", "-c", _SWAPS, "sh", target, original, path)
    try:
        yield
    finally:
        host.run(
            "pkill", "-KILL", "-u", str(MALLORY)
        )  # what changed its user has lost the signal of its parent's death
        ended(process)


@contextmanager
def pretending(host: Host, name: str) -> Iterator[None]:
    """Let the user run a program of that name, which listens and notes as whom it runs."""
    host.write(HostFile(f"{HOME}/{name}", _PRETENDER, 0o755))
    process = host.start(*AS_MALLORY, f"{HOME}/{name}")
    try:
        host.wait_for(2100)
        yield
    finally:
        ended(process)


def ran_as(host: Host) -> set[str]:
    return set(host.read(f"{HOME}/ran-as").splitlines())


@pytest.mark.parametrize("service", ["vsftpd", "nginx", "exim", "apache", "proftpd"])
def test_program_of_a_user_is_neither_tested_signalled_nor_started_as_root(host: Host, service: str) -> None:
    installer = INSTALLERS[service]
    process = {"exim": "exim4", "apache": "apache2"}.get(service, service)
    with pretending(host, process):
        tested, taken_up = host.execute(installer.check_config(NAMES.main)), host.execute(installer.reload(NAMES.main))
        time.sleep(0.5)
        still_there = host.run("pgrep", "-u", str(MALLORY), "-x", process).returncode == 0
    assert ran_as(host) == {f"({MALLORY}, {MALLORY}, {MALLORY})"}
    assert (tested.ok, taken_up.ok, still_there) == (True, False, True), (tested, taken_up)
    assert f"{service} does not run" in taken_up.output
    assert f"named {process} belongs to uid {MALLORY}: not inspected" in taken_up.output


@pytest.mark.parametrize("host", ["second"], indirect=True)
def test_restart_touches_roots_daemon_and_leaves_the_users_program_alone(host: Host, authority: Authority) -> None:
    (daemon,) = [one for one in DAEMONS if one.name == "vsftpd"]
    serve(host, daemon, NAMES, (authority.issue(NAMES.main), authority.issue(NAMES.second)))
    first = host.do("pgrep", "-u", "root", "-x", "vsftpd").split()
    with pretending(host, "vsftpd"):
        theirs = host.do("pgrep", "-u", str(MALLORY), "-x", "vsftpd")
        done = host.execute(INSTALLERS["vsftpd"].reload(NAMES.main))
        assert done.ok, done
        assert host.do("pgrep", "-u", str(MALLORY), "-x", "vsftpd") == theirs
    assert done.output.count("gap ") == 1
    assert not set(first) & set(host.do("pgrep", "-u", "root", "-x", "vsftpd").split())
    assert ran_as(host) == {f"({MALLORY}, {MALLORY}, {MALLORY})"}


@pytest.mark.parametrize("host", ["second"], indirect=True)
def test_daemon_whose_file_a_user_can_replace_is_not_started_with_it_again(host: Host) -> None:
    host.write(HostFile(f"{HOME}/ftp.conf", "listen=YES\nlisten_port=2122\nanonymous_enable=NO\n"))
    host.shell("mkdir -p /run/vsftpd/empty; rm -f /etc/init.d/vsftpd")
    process = host.start("vsftpd", f"{HOME}/ftp.conf", "-oseccomp_sandbox=NO", "-ocheck_shell=NO")
    try:
        host.wait_for(2122)
        done = host.execute(INSTALLERS["vsftpd"].reload(NAMES.main))
        assert (done.ok, process.poll()) == (False, None), done
        assert f"{HOME} belongs to uid {MALLORY}" in done.output
    finally:
        ended(process)


def closing_of(path: str) -> Command:
    """Return the command that closes a key to others."""
    file = UsedFile("nginx", path, "key", "root", "root", "0604")
    site: Any = SimpleNamespace(workdir=WORKDIR, case=SimpleNamespace(files=(file,)))
    return close_command(site)


def test_mode_of_roots_file_stays_where_a_key_became_a_link(host: Host) -> None:
    before = state_of(host, SECRET)
    as_mallory(host, f"ln -s {SECRET} {HOME}/tls.key")
    done = host.execute(closing_of(f"{HOME}/tls.key"))
    assert (done.status, state_of(host, SECRET)) == (77, before), done
    assert f"{HOME} belongs to uid {MALLORY}" in done.error


def test_mode_of_roots_file_stays_while_a_user_swaps_key_and_link(host: Host) -> None:
    before = state_of(host, SECRET)
    as_mallory(host, f"echo key >{HOME}/own.key; chmod 644 {HOME}/own.key; cp -p {HOME}/own.key {HOME}/tls.key")
    with swapping(host, SECRET, f"{HOME}/own.key", f"{HOME}/tls.key"):
        for _ in range(15):
            host.execute(closing_of(f"{HOME}/tls.key"))
    assert state_of(host, SECRET) == before


def test_users_own_key_is_closed_with_the_rights_of_that_user(host: Host) -> None:
    as_mallory(host, f"mkdir {HOME}/ssl; echo key >{HOME}/ssl/tls.key; chmod 644 {HOME}/ssl/tls.key")
    done = host.execute(closing_of(f"{HOME}/ssl/tls.key"))
    assert done.ok, done
    assert host.do("stat", "-c", "%a %u", f"{HOME}/ssl/tls.key").strip() == f"640 {MALLORY}"


def test_roots_own_key_behind_a_link_of_roots_is_closed(host: Host) -> None:
    host.shell("mkdir -p /etc/ssl/live; echo key >/etc/ssl/real.key; chmod 646 /etc/ssl/real.key")
    host.shell("ln -s ../real.key /etc/ssl/live/tls.key")
    done = host.execute(closing_of("/etc/ssl/live/tls.key"))
    assert done.ok, done
    assert host.do("stat", "-c", "%a", "/etc/ssl/real.key").strip() == "640"


def challenge(docroot: str) -> ChallengeFile:
    return ChallengeFile(WORKDIR, docroot, NAMES.main)


def test_docroot_that_leads_to_another_users_directory_is_refused_by_name(host: Host) -> None:
    as_mallory(host, f"ln -s /home/victim {HOME}/www")
    done = host.execute(challenge(f"{HOME}/www").present())
    assert done.status == 77, done
    assert "belongs to uid" in done.error
    assert host.do("find", "/home/victim").split() == ["/home/victim"]


@pytest.mark.parametrize("target", ["/root/private", "/home/victim"])
def test_docroot_that_a_user_swaps_makes_nothing_elsewhere(host: Host, target: str) -> None:
    host.shell("mkdir -p -m 777 /root/private")
    before = state_of(host, "/root/private", "/home/victim")
    as_mallory(host, f"mkdir {HOME}/own {HOME}/www")
    with swapping(host, target, f"{HOME}/own", f"{HOME}/www"):
        for _ in range(15):
            host.execute(challenge(f"{HOME}/www").present())
    assert host.do("find", target).split() == [target]
    assert state_of(host, "/root/private", "/home/victim") == before


def test_fifo_and_link_in_the_place_of_a_token_are_never_written_through(host: Host) -> None:
    one = challenge(f"{HOME}/www")
    file = one.path.rpartition("/")[2]
    folder = f"{HOME}/www/.well-known/pki-validation"
    as_mallory(host, f"mkdir -p {folder}; mkfifo {HOME}/fifo; ln -s {SECRET} {folder}/{file}")
    # the names that a shell's own temporary files had: a dot, the file and a process id
    as_mallory(host, f"n=2; while [ $n -lt 4000 ]; do ln -s {HOME}/fifo {folder}/.{file}.$n; n=$((n + 1)); done")
    reader = host.start(*AS_MALLORY, "sh", "-c", f"exec cat {HOME}/fifo >{HOME}/heard")
    before = state_of(host, SECRET)
    try:
        done = host.execute(one.present())
        assert done.ok, done
        assert host.read(f"{folder}/{file}") == one.body + "\n"
        assert host.do("stat", "-c", "%F %u", f"{folder}/{file}").strip() == f"regular file {MALLORY}"
        assert state_of(host, SECRET) == before
        assert host.read(f"{HOME}/heard") == ""
    finally:
        ended(reader)


def test_record_of_created_paths_has_no_name_chosen_by_a_user(host: Host) -> None:
    evil = f"{HOME}/w\nw"
    as_mallory(host, 'mkdir "$1"', evil)
    one = challenge(evil)
    assert host.execute(one.present()).ok
    made = host.do("sh", "-c", "cat /var/lib/sslaudit/c4f3/made-*").split()
    assert made == [".well-known", ".well-known/pki-validation"]
    assert host.execute(one.clean_up()).ok
    assert host.do("find", evil, "-mindepth", "1") == ""


def test_token_in_a_group_writable_docroot_belongs_to_its_owner(host: Host) -> None:
    host.shell(f"mkdir -p /srv/www; chown {VICTIM}:{MALLORY} /srv/www; chmod 2775 /srv/www")
    one = challenge("/srv/www")
    done = host.execute(one.present())
    assert done.ok, done
    path = f"/srv/www{one.path}"
    assert (host.read(path), host.do("stat", "-c", "%u %a", path).split()) == (
        one.body + "\n",
        [str(VICTIM), "644"],
    )


def test_agent_in_a_users_home_is_not_run_as_root(host: Host) -> None:
    as_mallory(host, f"mkdir -p {HOME}/.acme.sh/x; : >{HOME}/.acme.sh/x/fullchain.cer; : >{HOME}/ran-as")
    host.write(HostFile(f"{HOME}/.acme.sh/acme.sh", f"#!/bin/sh\nid -u >>{HOME}/ran-as\n", 0o755))
    done = host.execute(renewal_command(RENEWAL_AGENTS["acme.sh"], WORKDIR, (f"{HOME}/.acme.sh/x/fullchain.cer",)))
    assert (done.status, host.read(f"{HOME}/ran-as")) == (77, ""), done
    assert f"{HOME} belongs to uid {MALLORY}" in done.error


def test_agent_of_roots_in_which_a_user_can_write_a_file_is_not_run(host: Host) -> None:
    host.write(HostFile("/root/.acme.sh/acme.sh", "#!/bin/sh\ntouch /root/has-run\n", 0o755))
    host.write(HostFile("/root/.acme.sh/x/x.conf", "Le_Domain=x\n"), HostFile("/root/.acme.sh/x/fullchain.cer", ""))
    renewal = renewal_command(RENEWAL_AGENTS["acme.sh"], WORKDIR, ("/root/.acme.sh/x/fullchain.cer",))
    host.shell(f"chown {MALLORY} /root/.acme.sh/x/x.conf")
    refused = host.execute(renewal)
    assert (refused.status, "/root/.acme.sh/x/x.conf" in refused.error) == (77, True), refused
    assert host.run("test", "-e", "/root/has-run").returncode == 1
    host.shell("chown 0 /root/.acme.sh/x/x.conf")
    done = host.execute(renewal)
    assert (done.ok, done.output.startswith("ended 0")) == (True, True), done
    assert host.run("test", "-e", "/root/has-run").returncode == 0


def test_log_that_became_a_link_to_roots_file_is_not_read_as_root(host: Host) -> None:
    line = '192.0.2.7 - - [30/Nov/2026:01:00:00 +0000] "GET /.well-known/pki-validation/T.txt HTTP/1.1" 200 9'
    host.write(HostFile("/root/secret.log", f"{line} precious\n", 0o600))
    as_mallory(
        host, 'mkdir "$1/log"; echo "$2" >"$1/log/own.log"; ln -s /root/secret.log "$1/log/access.log"', HOME, line
    )
    logs = [f"{HOME}/log/access.log", f"{HOME}/log/own.log"]
    host.shell("chmod 700 /root")
    noted = host.execute(scan_command(WORKDIR, "T.txt", logs))
    assert "precious" not in noted.output, noted
    assert f"!! {HOME}/log/access.log is not read: {HOME} belongs to uid {MALLORY}" in noted.output
    assert f"== {HOME}/log/own.log\n> 192.0.2.7" in noted.output
    assert host.run(*AS_MALLORY, "cat", "/root/secret.log").returncode != 0
    as_mallory(host, f"rm {HOME}/log/access.log; mkfifo {HOME}/log/access.log")
    assert host.execute(scan_command(WORKDIR, "T.txt", logs)).ok
