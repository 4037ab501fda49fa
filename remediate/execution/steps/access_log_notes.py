"""Reports who requested the challenge file, from the access logs of its hosts. A log never stops a repair.

`remediate/access_logs` parses the lines of a log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from remediate.access_logs.clients import client_lines
from remediate.access_logs.collect import read_scan, scan_command
from remediate.access_logs.parser import LogScan
from remediate.execution.case_context import CaseContext, PublishedFile

_EARLY_S: Final = 5.0  # times in a log have no fractions of a second, and two clocks always differ


def request_notes(context: CaseContext, files: Sequence[PublishedFile], *, is_ordered: bool) -> tuple[str, ...]:
    """Return lines about who requested these files; no line if no log is known or the run is stopped."""
    hosts: dict[str, list[PublishedFile]] = {}
    for file in files:
        hosts.setdefault(file.where.workdir.host, []).append(file)
    if context.run.stop.wait(context.run.timeouts.look_s):  # servers write the log after the response
        return ()
    lines = [
        (host, line) for host, on_host in hosts.items() for line in _on_host(context, on_host, is_ordered=is_ordered)
    ]
    return tuple(f"{host}: {line}" if len(hosts) > 1 else line for host, line in lines)


def request_notes_since(context: CaseContext, began: datetime) -> tuple[str, ...]:
    """Return lines about who requested any challenge file of the names since a time, for orders of another agent."""
    offset = next((server.clock_offset_s for server in context.servers if server.clock_offset_s), 0.0)
    logs = _logs(context, context.case.host, context.case.names)
    if not logs:
        return ()
    result = context.execute(scan_command(context.workdir, None, logs))
    scan = read_scan(result, None, began + timedelta(seconds=offset - _EARLY_S))
    return tuple(_notes(context, context.case.host, scan))


def _on_host(context: CaseContext, files: Sequence[PublishedFile], *, is_ordered: bool) -> Iterator[str]:
    workdir, file = files[0].where.workdir, files[0].challenge.token
    logs = _logs(context, workdir.host, [published.challenge.identifier for published in files])
    if logs:
        scan = read_scan(context.execute(scan_command(workdir, file, logs)), file)
        yield from _notes(context, workdir.host, scan, is_ordered=is_ordered)


def _logs(context: CaseContext, host: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(log for name in names for log in context.run.host(host).access_logs_of(name)))


def _notes(context: CaseContext, host: str, scan: LogScan, *, is_ordered: bool = True) -> Iterator[str]:
    for request in scan.requests:
        context.log(f"{host} logged a request for the challenge file: {request}")
    yield from client_lines(scan, is_ordered=is_ordered)
