"""Measures how long healthy hosts wait for hosts that accept a login and never respond.

    python -m bench.ssh.late_hosts [--items each|endpoint|check] [HEALTHY HANGING]

It logs in by ssh to an sshd in an overlay, which has an address for each healthy host. It needs root and
`make overlays`. The hosts that hang are sockets that never send a byte, and are named first. The first run has the
healthy hosts alone, the second one all of them, until the healthy hosts have as many results as in the first.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

from bench.fleet.figure import Figure, report
from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import command, results_of
from tests.support.hosts.host import Host, HostFile, running_host

HEALTHY, HANGING = "127.1.0.", "127.2.0."
FACTOR, ALLOWED_S = 1.2, 5.0
_SILENT: Final = """
import socket, time
server = socket.create_server(("", 2222), backlog=500)
accepted = []
while True:
    accepted.append(server.accept())
"""
_POLL_S: Final = 0.2


def figures(healthy: int = 28, hanging: int = 32, items: str = "each") -> Iterator[Figure]:
    """Yield how long the healthy hosts take beside those that hang, with the time that they take alone."""
    with running_host("controller", "auditor") as host:
        _prepare(host)
        names = [f"ssh://root@{HEALTHY}{number}" for number in range(1, healthy + 1)]
        late = [f"ssh://root@{HANGING}{number}:2222" for number in range(1, hanging + 1)]
        alone_s, results = _measured(host, names, items)
        beside_s, _ = _measured(host, [*late, *names], items, results)
    bound_s = FACTOR * alone_s + ALLOWED_S
    title = f"{hanging} of {healthy + hanging} hosts hang: the healthy {healthy} judged after"
    peer = f"alone {alone_s:.1f} s, {results} results of hosts, items {items}"
    yield Figure(title, beside_s, "s", round(bound_s, 1), peer=peer)


def _prepare(host: Host) -> None:
    """Start sshd and the socket that is silent, and let the host log into itself."""
    login.admit(host, login.make_key(host))
    key = host.read("/etc/ssh/ssh_host_ed25519_key.pub")
    host.write(HostFile("/root/.ssh/known_hosts", f"* {key}"))
    host.start("python3", "-c", _SILENT)
    host.wait_for(2222)


def _measured(host: Host, hosts: list[str], items: str, expected: int = 0) -> tuple[float, int]:
    """Run an audit; return the time until it has this many results of healthy hosts, or to its end, and their number.

    Only the results of hosts as a whole count, because each run has the same ones. `key.reuse` does not: it compares
    all hosts, and runs when the last one has ended.
    """
    host.shell("rm -f /run/audit/results.jsonl")
    begun = time.perf_counter()
    quietly = ("sh", "-c", 'exec "$@" >/run/output 2>&1', "sh")
    running = host.start(*quietly, *command(f"--hosts={','.join(hosts)}", f"--audit-items={items}"))
    try:
        while running.poll() is None and not (expected and _count(host) >= expected):
            time.sleep(_POLL_S)
        return time.perf_counter() - begun, expected or _count(host)
    finally:
        _end(running)


def _count(host: Host) -> int:
    rows = (row for row in results_of(host) if row["kind"] == "result" and row["check"] != "key.reuse")
    ids = (row["endpoint"] for row in rows)
    return sum(endpoint.startswith(HEALTHY) and endpoint.endswith("/") for endpoint in ids)


def _end(running: subprocess.Popen[str]) -> None:
    running.terminate()
    running.communicate()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.ssh.late_hosts")
    parser.add_argument("--items", choices=("each", "endpoint", "check"), default="each")
    parser.add_argument("healthy", type=int, nargs="?", default=28)
    parser.add_argument("hanging", type=int, nargs="?", default=32)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(report(figures(**vars(_arguments()))))
