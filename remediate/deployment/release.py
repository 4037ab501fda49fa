"""The result of a release, in which links of earlier versions of this program became regular files again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from audit.host.discovery import Discovery
from audit.text import MAX_MESSAGE, one_line, shortened
from remediate.deployment.base import Released
from remediate.hosts.command import CommandResult
from remediate.hosts.workdir import BUSY, HostWorkdir

ALL_CASES: Final = "release"
"""The name of the case that holds the lock while all cases are released; its directory is removed again."""


def read_released(workdir: HostWorkdir, result: CommandResult, *, all_cases: bool) -> Released:
    """Return what the command of a release did to the cases, or to all cases with `all_cases`."""
    lines = tuple(_lines(workdir, result, all_cases=all_cases))
    return Released(lines, result.ok and not any(word == "interrupted" for word, _ in result.fields))


def not_released(host: str, discoveries: Iterable[Discovery]) -> Released:
    """Return the result for a host on which nothing could be released, with the reason."""
    observation = next((discovery.host for discovery in discoveries if discovery.host.endpoint.host == host), None)
    if observation is None:
        why = "it is not among the hosts that are named"
    elif observation.failures:
        why = observation.failures[0].detail
    elif observation.accident:
        why = observation.accident.reason
    else:
        why = "no service with TLS was found on it"
    return Released((_nothing_released(host, why),), is_well=False)


def _nothing_released(host: str, why: str) -> str:
    return one_line(f"{host}: nothing was released: {shortened(why, MAX_MESSAGE)}")


def _lines(workdir: HostWorkdir, result: CommandResult, *, all_cases: bool) -> Iterator[str]:
    """Yield each path that is a file again, and what the user has to do."""
    host, is_clean = workdir.host, result.ok
    if result.status in (None, BUSY):
        output = (result.error or result.output).strip() or "it cannot be reached"
        is_locked = result.status == BUSY and bool(result.output.strip()) and not result.error
        yield _nothing_released(host, f"another run works on it ({output})" if is_locked else output)
        return
    for word, path in result.fields:
        if word == "released":
            yield f"{host}: {path} is a regular file again"
        elif word == "interrupted":
            is_clean = False
            yield f"{host}: a switch was interrupted in {path}: run `python -m remediate resume` first"
    if not result.ok:
        yield f"{host}: not everything was released: {result.error.strip()[-400:]}"
    elif is_clean and all_cases:
        yield f"{host}: no configured path depends on {workdir.root} any more; it can be removed"
    elif is_clean:
        yield f"{host}: no configured path depends on {workdir.folder} any more"
