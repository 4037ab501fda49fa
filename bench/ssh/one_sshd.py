"""Counts how many names of one sshd with its default limit of logins an audit inspects, near and far away.

    python -m bench.ssh.one_sshd [NAMES RUNS]

It logs in by ssh to an sshd with `MaxStartups 10:30:100` on a host of an overlay, which has nginx too. All names have
the address of this host, or that of a relay that delays each packet in both directions. It needs root and
`make overlays`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from bench.fleet.figure import Figure, report
from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import audit, trust
from tests.support.hosts.daemons import DAEMONS
from tests.support.hosts.host import Host, HostFile, connect, name_hosts, running_host
from tests.support.hosts.pki import new_authority
from tests.support.hosts.real_lab import NAMES, serve

DISTANCES_MS: Final = {"near": 0, "away": 200}  # round trip, by the beginning of the names
_PORT: Final = 2222
_LOG: Final = "/var/log/limited.log"
_CABLE: Final = 1
_RELAY: Final = """
import asyncio, sys

async def copied(reader, writer, delay_s):
    loop = asyncio.get_running_loop()
    while data := await reader.read(65536):
        loop.call_later(delay_s, writer.write, data)
    loop.call_later(delay_s, writer.close)

async def relayed(reader, writer):
    delay_s = float(sys.argv[4]) / 2000
    await asyncio.sleep(delay_s)
    far_reader, far_writer = await asyncio.open_connection(sys.argv[2], int(sys.argv[3]))
    await asyncio.gather(copied(reader, far_writer, delay_s), copied(far_reader, writer, delay_s))

async def main():
    server = await asyncio.start_server(relayed, sys.argv[1], int(sys.argv[3]), backlog=500)
    await server.serve_forever()

asyncio.run(main())
"""


def figures(names: int = 64, runs: int = 3) -> Iterator[Figure]:
    """Yield the least number of names that a run inspected, and the most logins of a run, for each distance."""
    with running_host("main", "auditor.example.test") as near, running_host("main", NAMES["main"].main) as far:
        aliases = {side: tuple(f"{side}{number}.example.test" for number in range(names)) for side in DISTANCES_MS}
        anchor = _prepare(near, far, aliases)
        for side, delay_ms in DISTANCES_MS.items():
            measured = [_run(near, far, aliases[side], anchor) for _ in range(runs)]
            walls = ", ".join(f"{wall_s:.0f}" for *_, wall_s in measured)
            title = f"{names} names of one default sshd {delay_ms} ms away"
            inspected, logins = min(found for found, *_ in measured), max(made for _, made, _ in measured)
            yield Figure(f"{title}: inspected in the worst of {runs} runs", inspected, "", names, "at least",
                         f"{walls} s")  # fmt: skip
            yield Figure("  logins for a name, at most in a run", logins / names, "", 1)


def _prepare(near: Host, far: Host, aliases: dict[str, tuple[str, ...]]) -> str:
    """Let the near host log into the far one by each name; return the argument that names the CA of its server."""
    authority, served = new_authority(datetime.now(UTC)), NAMES["main"]
    key, address = login.make_key(near), connect(near, far, _CABLE)
    name_hosts(far, {served.main: (address,)})
    relay = address.rpartition(".")[0] + ".1"  # the near end of the cable
    own = dict.fromkeys((served.main, served.second, *aliases["near"]), (address,))
    name_hosts(near, own | dict.fromkeys(aliases["away"], (relay,)))
    login.admit(far, key)
    far.shell(f"/usr/sbin/sshd -p {_PORT} -o MaxStartups=10:30:100 -E {_LOG}")
    far.wait_for(_PORT)
    near.start("python3", "-c", _RELAY, relay, address, str(_PORT), str(DISTANCES_MS["away"]))
    nginx = next(daemon for daemon in DAEMONS if daemon.name == "nginx")
    serve(far, nginx, served, (authority.issue(served.main), authority.issue(served.second)))
    host_key = far.read("/etc/ssh/ssh_host_ed25519_key.pub")
    near.write(HostFile("/root/.ssh/known_hosts", f"[*]:{_PORT} {host_key}"))
    return trust(near, authority.anchor)


def _run(near: Host, far: Host, aliases: tuple[str, ...], anchor: str) -> tuple[int, int, float]:
    """Audit all names; return how many have an endpoint that was observed, the logins, and the seconds."""
    before, begun = _logins(far), time.perf_counter()
    hosts = ",".join(f"ssh://root@{alias}:{_PORT}" for alias in aliases)
    run = audit(near, anchor, f"--hosts={hosts}", "--audit-check=cert.expired")
    wall_s = time.perf_counter() - begun
    found = {endpoint.partition("/")[0] for endpoint in run.endpoints}
    return len(found.intersection(aliases)), _logins(far) - before, wall_s


def _logins(host: Host) -> int:
    return host.read(_LOG).count("Accepted publickey")


if __name__ == "__main__":
    sys.exit(report(figures(*map(int, sys.argv[1:]))))
