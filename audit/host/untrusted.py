"""Reads which processes with a service's name root may not trust, as the host's script reports them.

Root neither runs their programs nor reads files that they name. If such a process listens, its endpoint is probed as
one of an unknown service, and the message says why its files were not inspected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from audit.probe.facts import Facts
from audit.services.model import Section

_LINE = re.compile(r"(?P<pid>[0-9]{1,10}) (?P<service>\w+) (?P<why>.+)")


@dataclass(frozen=True, slots=True)
class UntrustedProcess:
    """A process with a service's name that root does not inspect, and why in a sentence."""

    pid: int
    service: str
    why: str

    @property
    def message(self) -> str:
        """Say which process was not inspected."""
        subject = "" if self.why.startswith("process ") else f"process {self.pid} named {self.service}: "
        return f"{subject}{self.why}: not inspected"


def read_untrusted(sections: Mapping[str, Section]) -> tuple[UntrustedProcess, ...]:
    """Return the untrusted processes in a host's answer."""
    text = sections["untrusted"].text if "untrusted" in sections else ""
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return tuple(UntrustedProcess(int(match["pid"]), match["service"], match["why"]) for match in found if match)


def messages(sections: Mapping[str, Section]) -> tuple[str, ...]:
    """Return one message per untrusted process, and how many more there are."""
    more = sections["untrusted.more"].text.strip() if "untrusted.more" in sections else ""
    rest = (f"{more} more processes with a service's name are not trusted: not inspected",) if more else ()
    return (*(process.message for process in read_untrusted(sections)), *rest)


def listening(processes: Sequence[UntrustedProcess], facts: Facts) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield the address and port of each untrusted process that listens, and why its service was not inspected."""
    for process in processes:
        for place in facts.ports_of(process.pid):
            yield place, process.message
