"""What discovery finds on a host, by the login that a container has."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from audit.host.discovery import Login, discover
from audit.observation import HostView
from audit.probe.target import Target
from tests.support.hosts.host import Host

# `podman exec -i NAME COMMAND…` enters the host; it has no other use here.
_PODMAN: Final = """\
#!/bin/sh
shift
while [ "${{1#-}}" != "$1" ]; do shift; done
shift
exec {enter} "$@"
"""


@dataclass(frozen=True, slots=True)
class Discovered:
    """The endpoints that discovery found, what it found of the host itself, and all that it could not read."""

    targets: tuple[Target, ...]
    view: HostView | None
    unread: tuple[str, ...]


def discover_on(host: Host) -> Discovered:
    """Return what discovery finds on a host."""
    with _login(host):
        (found,) = discover([Login(f"podman://{host.name}")], clock=lambda: datetime.now(UTC))
    views = [found.host.server, *(target.server for target in found.targets)]
    unread = [str(failure) for failure in (*found.host.failures, found.host.accident) if failure]
    unread += [reason for view in views if view for reason in _reasons(view)]
    return Discovered(found.targets, found.host.server, tuple(dict.fromkeys(unread)))


def _reasons(view: HostView) -> Iterator[str]:
    yield from (*view.missing_rights, *view.not_trusted)
    if view.config_test and not view.config_test.ok:
        yield f"{view.service}: {view.config_test.command} fails: {view.config_test.detail}"


@contextmanager
def _login(host: Host) -> Iterator[None]:
    """Let `podman` be a program that enters the host."""
    path = os.environ["PATH"]
    with TemporaryDirectory() as folder:
        program = Path(folder) / "podman"
        program.write_text(_PODMAN.format(enter=shlex.join(host.command())))
        program.chmod(0o755)
        os.environ["PATH"] = f"{folder}:{path}"
        try:
            yield
        finally:
            os.environ["PATH"] = path
