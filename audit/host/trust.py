"""Loads the shell that decides whether root may trust a process or a path, and reads which processes it refused.

The functions are in the files of `shell/trust`, which are one text. The text precedes each script and stores itself in
the variable `trust_sh`, so that `as_owner` can pass it to a shell with the rights of another user.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from audit.host.system import HostFacts
from audit.services.model import Section

FILES: Final = ("paths", "processes", "acts", "owner")
"""The files of `shell/trust`, in the order in which they are loaded."""
REFUSED: Final = 77  # exit status of a verb that did nothing because root may not trust the path
_LINE = re.compile(r"(?P<pid>[0-9]{1,10}) (?P<service>\w+) (?P<why>.+)")


def load_shell(package: str, name: str) -> str:
    """Return `shell/NAME.sh` of a package without comments and indentation: a script has at most 128 KiB."""
    text = (files(package) / "shell" / f"{name}.sh").read_text("utf-8")
    return re.sub(r"^[ \t]*(?:#.*\n)?", "", text, flags=re.MULTILINE)


def _with_itself(text: str) -> str:
    return f'trust_sh={shlex.quote(text)}\neval "$trust_sh"\n'


TRUST: Final = _with_itself("".join(load_shell("audit.host", f"trust/{name}") for name in FILES))
"""The shell that precedes each script on a host."""


@dataclass(frozen=True, slots=True)
class UntrustedProcess:
    """A process with a service's name that root does not inspect, and a sentence that says why."""

    pid: int
    service: str
    why: str

    @property
    def message(self) -> str:
        """The sentence about the process that was not inspected."""
        subject = "" if self.why.startswith("process ") else f"process {self.pid} named {self.service}: "
        return f"{subject}{self.why}: not inspected"


def read_untrusted(sections: Mapping[str, Section]) -> tuple[UntrustedProcess, ...]:
    """Return the untrusted processes in the output of a host."""
    text = sections["untrusted"].text if "untrusted" in sections else ""
    matches = (_LINE.fullmatch(line) for line in text.splitlines())
    return tuple(UntrustedProcess(int(match["pid"]), match["service"], match["why"]) for match in matches if match)


def messages(sections: Mapping[str, Section]) -> tuple[str, ...]:
    """Return one message per untrusted process, and one with the number of further ones."""
    more = sections["untrusted.more"].text.strip() if "untrusted.more" in sections else ""
    rest = (f"{more} more processes with a service's name are not trusted: not inspected",) if more else ()
    return (*(process.message for process in read_untrusted(sections)), *rest)


def listening(processes: Sequence[UntrustedProcess], facts: HostFacts) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield the address and port of each untrusted process that listens, and why its service was not inspected."""
    for process in processes:
        for place in facts.ports_of(process.pid):
            yield place, process.message
