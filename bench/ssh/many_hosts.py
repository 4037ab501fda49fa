"""Measures the audit of many hosts that are logged into, beside the same commands over plain multiplexed ssh.

    python -m bench.ssh.many_hosts [HOSTS ROUNDS]

Each host has namespaces, sshd and nginx of its own, on the cores of this machine. The peer runs the commands that a
discovery sent to the first host, over one connection to each host, as many hosts at a time as the audit. It judges
nothing. The three are measured one after another in each round. It needs root and `make overlays`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.host.login import LoginLimits
from bench.fleet.figure import Figure, report
from bench.ssh.fleet_hosts import SCRIPTS, FleetHosts, running_fleet_hosts
from tests.support.checkout import CHECKOUT
from tests.support.hosts.audit_run import command, results_of

TIMES_DISCOVERY, TIMES_RUN, MEMORY_MB, OPEN_FILES = 1.1, 1.4, 200.0, 150
_RECORDED: Final = "/run/recorded"
_SAMPLE_S: Final = 0.05
_RUN_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class Watched:
    """The usage of a process: its seconds, those of its CPU alone, its peak memory in MB, and its most open files."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    open_files: int


@dataclass(frozen=True, slots=True)
class Round:
    """The seconds of each way, the whole run as it was watched, and its logins to a host: fewest and most."""

    peer_s: float
    discovery_s: float
    run: Watched
    logins: tuple[int, int]


def figures(hosts: int = 200, rounds: int = 2) -> Iterator[Figure]:
    """Yield the figures of discovery and of whole runs; the times are means of all rounds."""
    with running_fleet_hosts(hosts) as fleet:
        _record(fleet)
        measured = [_round(fleet) for _ in range(rounds)]
    peer_s, discovery_s = (
        sum(values) / rounds for values in zip(*((part.peer_s, part.discovery_s) for part in measured), strict=True)
    )
    title, plain = f"{hosts} ssh hosts: discovery to plain ssh", f"plain ssh {peer_s:.1f} s"
    yield Figure(title, discovery_s / peer_s, "times", TIMES_DISCOVERY, peer=f"{discovery_s:.1f} s; {plain}")
    run_s = sum(part.run.wall_s for part in measured) / rounds
    yield Figure("  the whole run to plain ssh", run_s / peer_s, "times", TIMES_RUN, peer=f"{run_s:.1f} s; {plain}")
    cpu_ms = 1000 * sum(part.run.cpu_s for part in measured) / rounds / hosts
    yield Figure("  CPU of the run's process for a host", cpu_ms, "ms")
    yield Figure("  peak memory of the run", max(part.run.memory_mb for part in measured), "MB", MEMORY_MB)
    yield Figure("  most open files of the run", max(part.run.open_files for part in measured), "", OPEN_FILES)
    fewest, most = min(part.logins[0] for part in measured), max(part.logins[1] for part in measured)
    yield Figure("  logins to a host in a run, at most", most, "", 1, peer=f"at least {fewest}")


def _record(fleet: FleetHosts) -> None:
    """Keep the commands that a discovery sends to the first host."""
    folder = f"{_RECORDED}/bin"
    fleet.near.shell(f"mkdir -p {folder}; cp {SCRIPTS}/record.sh {folder}/ssh; chmod 755 {folder}/ssh")
    environment = ("env", f"RECORDED={_RECORDED}", "sh", "-euc", f'PATH={folder}:$PATH exec "$@"', "sh")
    _discover(fleet, fleet.names[:1], *environment)


def _round(fleet: FleetHosts) -> Round:
    peer_s, discovery_s = _plain_ssh(fleet), _discover(fleet, fleet.names)
    before = fleet.logins()
    run = _audit(fleet)
    logins = [count - before[name] for name, count in fleet.logins().items()]
    return Round(peer_s, discovery_s, run, (min(logins), max(logins)))


def _plain_ssh(fleet: FleetHosts) -> float:
    """Return the seconds that the recorded commands take by ssh itself."""
    fleet.near.shell("rm -rf /run/peer; mkdir -m 700 /run/peer")
    peer = ("sh", f"{SCRIPTS}/peer.sh", _RECORDED, "/run/peer")
    at_once = ("xargs", "-n", "1", "-P", str(LoginLimits().at_once), *peer)
    began = time.perf_counter()
    done = fleet.near.run(*at_once, stdin="\n".join(fleet.names).encode(), timeout_s=_RUN_S)
    if done.returncode:
        raise RuntimeError(f"plain ssh failed: {done.stderr}")
    return time.perf_counter() - began


def _discover(fleet: FleetHosts, hosts: Sequence[str], *before: str) -> float:
    """Return the seconds of a discovery, without the start of Python."""
    program = (sys.executable, "-m", "bench.ssh.discovery", *hosts)
    done = fleet.near.run("env", "-C", str(CHECKOUT), *before, *program, timeout_s=_RUN_S)
    if done.returncode:
        raise RuntimeError(f"discovery failed: {done.stderr}")
    seconds, endpoints = json.loads(done.stdout)
    if endpoints != len(hosts):
        raise RuntimeError(f"{endpoints} endpoints found on {len(hosts)} hosts")
    return float(seconds)


def _audit(fleet: FleetHosts) -> Watched:
    """Run an audit of all hosts; return what its process used."""
    hosts = ",".join(f"ssh://root@{name}" for name in fleet.names)
    quietly = ("sh", "-c", 'exec "$@" >/run/output 2>&1', "sh")
    began = time.perf_counter()
    watched = _watch(fleet.near.start(*quietly, *command(fleet.trust, f"--hosts={hosts}")), began)
    observed = {line["endpoint"] for line in results_of(fleet.near) if line["kind"] == "observation"}
    missing = {f"{name}/https://{name}:443" for name in fleet.names} - observed
    if missing:
        raise RuntimeError(f"{len(missing)} endpoints were not observed\n{fleet.near.read('/run/output')[-3000:]}")
    return watched


def _watch(running: subprocess.Popen[str], began: float) -> Watched:
    """Sample a command on a host until it ends; its process is the child of the one that entered the host."""
    cpu_s, memory_kb, open_files = 0.0, 0, 0
    try:
        while running.poll() is None:
            time.sleep(_SAMPLE_S)
            with suppress(OSError, IndexError):  # it begins or ends
                pid = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()[0]
                open_files = max(open_files, len(list(Path(f"/proc/{pid}/fd").iterdir())))
                cpu_s, memory_kb = max(cpu_s, _cpu_s(pid)), max(memory_kb, _peak_kb(pid))
        return Watched(time.perf_counter() - began, cpu_s, memory_kb / 1024, open_files)
    finally:
        running.kill()
        running.communicate()


def _cpu_s(pid: str) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _peak_kb(pid: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next((line.split()[1] for line in lines if line.startswith("VmHWM")), 0))


if __name__ == "__main__":
    sys.exit(report(figures(*map(int, sys.argv[1:]))))
