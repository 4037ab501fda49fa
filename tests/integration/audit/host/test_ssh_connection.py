"""A login that is dropped is tried again; what a run leaves behind is ended when it ends, also if it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.backend import get_backends

from audit.host.discovery import Discovery, Login, begin_discovery
from audit.host.login import Bounds, Connections, Host, hosts_of, ssh_connection
from audit.host.login.inventory import SlowInventory
from audit.host.login.private_sockets import NAME_LENGTH, PrivateSockets
from audit.host.login.unfinished_logins import MOST_ATTEMPTS
from audit.host.script import script_of
from audit.observation import ProbeFailure
from tests.support.failing_logins import Programs, look, now
from tests.support.hosts.openssl_client import wait_until

KEX = "kex_exchange_identification: Connection closed by remote host"
_RUN = """
import sys, time
from audit.host.local_command import Command, run_bounded
from audit.host.login.inventory import SlowInventory
from audit.host.login.private_sockets import PrivateSockets
import threading
sockets = PrivateSockets()
print(sockets.folder, flush=True)
run_bounded(Command(f"sh -c 'echo $$ >{sys.argv[1]}; exec sleep 600'", groups=sockets), 600, threading.Event())
"""


@pytest.fixture
def connections() -> Iterator[Connections]:
    made = Connections()
    yield made
    made.close()


def failing_ssh(programs: Programs, message: str, times: int) -> None:
    """Put an ssh in place that fails so many times; it has no master process, and runs commands here."""
    count = f"{programs.folder}/count"
    programs.add(
        "ssh",
        'case " $* " in *" -G "*) echo "hostname 192.0.2.1"; exit 0 ;; esac',
        f'echo "$*" >>{count}; [ "$(wc -l <{count})" -gt {times} ] || {{ echo "{message}" >&2; exit 255; }}',
        'case " $* " in *" -N "*) exit 0 ;; esac',
        'for last; do :; done; sh -c "$last"',
    )


def host_of(hostspec: str, connections: Connections) -> Host:
    found = hosts_of(hostspec, {}, Bounds(20.0), connections)
    assert not isinstance(found, ProbeFailure)
    return found[0]


def attempts(programs: Programs) -> int:
    return len(programs.text("count").splitlines())


def test_dropped_login_is_tried_again(
    programs: Programs, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_connection, "pause_s", lambda _: 0.01)
    failing_ssh(programs, KEX, 2)
    output = host_of("ssh://root@web1", connections).run(script_of("section a echo here\n"))
    assert not isinstance(output, ProbeFailure)
    assert output["a"].text == "here"
    assert attempts(programs) == 4  # two were dropped, one logged in, one ran the command


def test_login_that_is_always_dropped_is_given_up(
    programs: Programs, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_connection, "pause_s", lambda _: 0.01)
    failing_ssh(programs, KEX, 100)
    failure = host_of("ssh://root@web1", connections).run(script_of("section a echo here\n"))
    assert isinstance(failure, ProbeFailure)
    assert (failure.kind, attempts(programs)) == ("closed", MOST_ATTEMPTS)
    assert KEX in failure.detail


@pytest.mark.parametrize("message", ["Permission denied (publickey).", "Host key verification failed."])
def test_refused_login_is_not_tried_again(programs: Programs, connections: Connections, message: str) -> None:
    failing_ssh(programs, message, 100)
    assert isinstance(host_of("ssh://root@web1", connections).run(script_of("")), ProbeFailure)
    assert attempts(programs) == 1


def test_login_that_hangs_ends_at_its_deadline_and_leaves_no_process(
    programs: Programs, connections: Connections
) -> None:
    programs.add("ssh", f"echo $$ >{programs.folder}/pid", "sleep 600")
    (seen,) = look(Login("ssh://web1", timeout_s=1.0, connections=connections))
    assert failure_of(seen).kind == "timeout"
    assert wait_until(lambda: not Path(f"/proc/{programs.text('pid').strip()}").exists())


def failure_of(seen: Discovery) -> ProbeFailure:
    assert seen.host.failure is not None
    return seen.host.failure


def test_inventory_is_read_once_for_all_specifications(programs: Programs, connections: Connections) -> None:
    hosts = {"mail": {"ansible_connection": "local"}, "web": {"ansible_connection": "local"}}
    listing = json.dumps({"_meta": {"hostvars": hosts}, "all": {"hosts": list(hosts)}})
    programs.add("ansible-inventory", f"echo read >>{programs.folder}/reads", f"echo '{listing}'")
    given = {"ansible_inventory": str(programs.folder / "hosts")}
    for hostspec in ("ansible://mail", "ansible://web", "ansible://all"):
        assert not isinstance(hosts_of(hostspec, given, Bounds(20.0), connections), ProbeFailure)
    assert programs.text("reads") == "read\n"


def test_inventory_that_cannot_be_read_is_read_once(programs: Programs, connections: Connections) -> None:
    programs.add("ansible-inventory", f"echo read >>{programs.folder}/reads", "echo no hosts >&2", "exit 1")
    given = {"ansible_inventory": str(programs.folder / "broken")}
    for hostspec in ("ansible://mail", "ansible://web"):
        failure = hosts_of(hostspec, given, Bounds(20.0), connections)
        assert isinstance(failure, ProbeFailure)
        assert "no hosts" in failure.detail
    assert programs.text("reads") == "read\n"


def hanging_inventory(programs: Programs) -> dict[str, str]:
    """Put an inventory in place that is never read to its end; return the option that names it."""
    programs.add("ansible-inventory", f"echo $$ >{programs.folder}/pid", "sleep 600")
    return {"ansible_inventory": str(programs.folder / "slow")}


def test_hanging_inventory_is_named_and_leaves_no_process(programs: Programs, connections: Connections) -> None:
    given = hanging_inventory(programs)
    for hostspec in ("ansible://mail", "ansible://web"):
        failure = hosts_of(hostspec, given, Bounds(0.5), connections)
        assert isinstance(failure, ProbeFailure)
        sentence = f"{hostspec}: the inventory {programs.folder}/slow was not read within 0.5 s"
        assert (failure.kind, failure.detail.partition(". ")[0]) == ("timeout", sentence)
    assert wait_until(lambda: not Path(f"/proc/{programs.text('pid').strip()}").exists())


def test_hanging_inventory_holds_up_no_other_host(programs: Programs, connections: Connections) -> None:
    programs.add("ssh", "echo 'Permission denied (publickey).' >&2", "exit 255")
    given = hanging_inventory(programs)
    logins = [Login(spec, given, connections=connections) for spec in ("ansible://mail", "ssh://web1")]
    pool = begin_discovery(logins, clock=now)
    try:
        (seen,) = pool.first(bool, least=1)
        assert failure_of(seen).kind == "denied"
        assert pool.remaining == (f"the inventory {programs.folder}/slow",)
    finally:
        pool.close()
    assert wait_until(lambda: not Path(f"/proc/{programs.text('pid').strip()}").exists())


def test_users_tests_do_not_read_a_hanging_inventory_again(programs: Programs, connections: Connections) -> None:
    given = hanging_inventory(programs)
    hosts_of("ansible://all", given, Bounds(0.5), connections)
    with pytest.raises(SlowInventory, match="was not read"):
        get_backends(["ansible://all"], **given)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_process_leaves_no_command_and_no_folder(tmp_path: Path, number: signal.Signals) -> None:
    pid = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", _RUN, str(pid)], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        folder = Path(running.stdout.readline().strip())
        assert wait_until(lambda: pid.exists() and pid.read_text().endswith("\n"))
        assert (folder.stat().st_mode & 0o777, folder.stat().st_uid) == (0o700, os.geteuid())
        running.send_signal(number)
        running.wait()
    assert wait_until(lambda: not folder.exists() and not Path(f"/proc/{pid.read_text().strip()}").exists())


def test_long_directory_for_temporary_files_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / ("long" * 20)))
    sockets = PrivateSockets()
    try:
        assert len(sockets.path("f" * NAME_LENGTH)) <= 90
    finally:
        sockets.close()


def test_closed_connections_start_nothing() -> None:
    sockets = PrivateSockets()
    sockets.close()
    with pytest.raises(OSError, match="closed"):
        sockets.path("a")
