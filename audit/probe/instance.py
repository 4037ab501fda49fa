"""One service on a host as it was found: running as a process, or only configured.

Values alone: how it was found is its finder's to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audit.observation import ConfigTest
from audit.services.model import Listener


@dataclass(frozen=True, slots=True)
class Instance:
    """A service with its listeners; `pid` is 0 where it does not run, and -1 where it runs as a process unknown."""

    name: str
    pid: int
    since: datetime | None
    test: ConfigTest | None
    listeners: tuple[Listener, ...]
    missing: tuple[str, ...] = ()
