"""Makes links of earlier versions of this program files again, and reports the result for each path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from audit.host.discovery import Discovery
from audit.text import MAX_MESSAGE, one_line, shortened
from remediate.deployment.base import VERSION_FILES
from remediate.hosts import script
from remediate.hosts.command import Command, CommandResult, CommandRunner
from remediate.hosts.workdir import BUSY, HostWorkdir

ALL: Final = "release"
"""The name of the case that holds the lock while all cases are released; its directory is removed again."""


@dataclass(frozen=True, slots=True)
class Released:
    """What a release did on one host."""

    lines: tuple[str, ...]
    is_well: bool = True


def release_command(workdir: HostWorkdir, *cases: str) -> Command:
    """Return the command that makes links of earlier versions files again, for these cases or for all on the host."""
    why = f"make the links of {', '.join(cases) or 'all cases'} regular files again"
    return workdir.exclusive(
        why, script(*VERSION_FILES, "deployment/restore_links", "deployment/release_paths"), *cases
    )


def release_on(workdir: HostWorkdir, session: CommandRunner, *cases: str) -> Released:
    """Release these cases on a host, or all of them."""
    done = session.run(release_command(workdir, *cases))
    lines = tuple(_lines(workdir, done, whole=not cases))
    return Released(lines, done.ok and not any(line.startswith("interrupted ") for line in done.output.splitlines()))


def not_released(host: str, discoveries: Iterable[Discovery]) -> Released:
    """Return that a host could not be worked on, and why."""
    observation = next((discovery.host for discovery in discoveries if discovery.host.endpoint.host == host), None)
    if observation is None:
        why = "it is not among the hosts that are named"
    elif observation.failures:
        why = observation.failures[0].detail
    elif observation.accident:
        why = observation.accident.reason
    else:
        why = "no service with TLS was found on it"
    return Released((_nothing(host, why),), is_well=False)


def _nothing(host: str, why: str) -> str:
    return one_line(f"{host}: nothing was released: {shortened(why, MAX_MESSAGE)}")


def _lines(workdir: HostWorkdir, done: CommandResult, *, whole: bool) -> Iterator[str]:
    """Yield each path that is a file again, and what the user has to do."""
    host, is_clean = workdir.host, done.ok
    if done.status in (None, BUSY):
        output = (done.error or done.output).strip() or "it cannot be reached"
        is_locked = done.status == BUSY and bool(done.output.strip()) and not done.error
        yield _nothing(host, f"another run works on it ({output})" if is_locked else output)
        return
    for line in done.output.splitlines():
        word, _, path = line.partition(" ")
        if word == "released":
            yield f"{host}: {path} is a regular file again"
        elif word == "interrupted":
            is_clean = False
            yield f"{host}: a switch was interrupted in {path}: run `python -m remediate resume` first"
    if not done.ok:
        yield f"{host}: not everything was released: {done.error.strip()[-400:]}"
    elif is_clean and whole:
        yield f"{host}: no configured path depends on {workdir.root} any more; it can be removed"
    elif is_clean:
        yield f"{host}: no configured path depends on {workdir.folder} any more"
