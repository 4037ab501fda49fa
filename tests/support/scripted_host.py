"""A host with prepared output: tests give the sections that its commands would print."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from testinfra.backend.local import LocalBackend

from audit.host.files import section_of
from audit.host.inspect import HostOptions, inspect
from audit.host.login import Host
from audit.host.script import Script
from audit.observation import Observation, ProbeFailure
from audit.probe.target import Target
from audit.services.model import Section

ANSWERED: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
_EVERYWHERE: Final = "00000000"


class PreparedHost(Host):
    """A host whose sections are given, those of files as `file:PATH`; it runs nothing."""

    def __init__(self, sections: Mapping[str, Section]) -> None:
        super().__init__("server", "ssh://root@server", LocalBackend())
        self.sections = sections

    def run(self, script: Script) -> dict[str, Section] | ProbeFailure:
        """Return the sections for every script."""
        del script
        self.commands += 1
        return {_printed(name): section for name, section in self.sections.items()}


def _printed(name: str) -> str:
    return section_of(name.removeprefix("file:")) if name.startswith("file:") else name


def inspect_answers(sections: Mapping[str, Section], **options: Any) -> tuple[Observation, tuple[Target, ...]]:  # noqa: ANN401 - any option
    """Inspect a host that prints these sections."""
    return inspect(PreparedHost(sections), HostOptions(**options), lambda: ANSWERED)


def sections(*listening: int, there: str = "", exim_dump: str = "") -> dict[str, Section]:
    """Return the sections of a panel's host with the address 192.0.2.1 and listening sockets on these ports.

    `there` lists the panel's files that exist. `exim_dump` is what its exim, process 7, prints of its configuration.
    """
    rows = (f"{n}: {_EVERYWHERE}:{port:04X} 0:0 0A 0:0 00:0 0 0 0 {4000 + port} 1" for n, port in enumerate(listening))
    answers = {
        "clock": f"{ANSWERED.timestamp()}", "uid": "root", "fqdn": "server.example.com",
        "addresses": "2: eth0    inet 192.0.2.1/24 scope global eth0", "boot_id": "x", "network": "net:[1]",
        "byte_order": "1", "booted": "1790000000", "ticks": "100", "acme_sh": "", "sockets": "\n".join(rows),
        "owners": "pid 7\n4025\n4465\n4587", "cpanel": "11.120.0.10", "cpanel.there": there, "cpanel.served": "",
        "exim#7.since": "4242", "exim#7.words": "exim\n-bd", "exim#7.test": "", "exim#7.dump": exim_dump,
        "clock.end": f"{ANSWERED.timestamp()}", "unknown_sockets": "",
    }  # fmt: skip
    return {name: Section(text) for name, text in answers.items()}
