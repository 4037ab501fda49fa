"""Who has come for the proof, by the access logs of the hosts it lies on: told beside a step, never a reason to stop.

It knows hosts, names and logs; what a line of one says is read elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from remediate.access_logs.clients import client_lines
from remediate.access_logs.collect import read_scan, scan_command
from remediate.access_logs.parser import LogScan
from remediate.challenges import Challenge
from remediate.execution.case_context import CaseContext

_EARLY_S: Final = 5.0  # a log's times have no fractions, and two clocks are never one


def visits(context: CaseContext, proofs: Sequence[Challenge], *, is_ordered: bool) -> tuple[str, ...]:
    """Return lines about who has asked for these proofs; nothing where no log is known, or the run is stopped."""
    hosts: dict[str, list[Challenge]] = {}
    for proof in proofs:
        hosts.setdefault(proof.workdir.host, []).append(proof)
    if context.run.stop.wait(context.run.timeouts.look_s):  # servers answer first, and note it then
        return ()
    said = [(host, line) for host, mine in hosts.items() for line in _on_host(context, mine, is_ordered=is_ordered)]
    return tuple(f"{host}: {line}" if len(hosts) > 1 else line for host, line in said)


def visits_since(context: CaseContext, began: datetime) -> tuple[str, ...]:
    """Return lines about who has come for any proof of the case's names since a time: for whoever else ordered."""
    offset = next((server.clock_offset_s for server in context.servers if server.clock_offset_s), 0.0)
    logs = _logs(context, context.case.host, context.case.names)
    if not logs:
        return ()
    done = context.execute(scan_command(context.workdir, None, logs))
    noted = read_scan(done, None, began + timedelta(seconds=offset - _EARLY_S))
    return tuple(_told(context, context.case.host, noted))


def _on_host(context: CaseContext, proofs: Sequence[Challenge], *, is_ordered: bool) -> Iterator[str]:
    workdir = proofs[0].workdir
    file = context.run.solver.place(proofs[0]).rpartition("/")[2]
    logs = _logs(context, workdir.host, [one.name for one in proofs])
    if logs:
        noted = read_scan(context.execute(scan_command(workdir, file, logs)), file)
        yield from _told(context, workdir.host, noted, is_ordered=is_ordered)


def _logs(context: CaseContext, host: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(log for name in names for log in context.run.host(host).access_logs_of(name)))


def _told(context: CaseContext, host: str, noted: LogScan, *, is_ordered: bool = True) -> Iterator[str]:
    for visit in noted.requests:
        context.log(f"{host} has noted for the proof: {visit}")
    yield from client_lines(noted, is_ordered=is_ordered)
