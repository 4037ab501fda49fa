"""Values for a service that was found on a host, running or only configured, and for the panel that arranges it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from audit.host.script import layout_in, sections_of
from audit.host.system import HostFacts
from audit.observation import ConfigTest, InstalledFile
from audit.observation.website import Website
from audit.services import LAYOUTS, ConfigDump, Panel, PanelService, Section
from audit.services.model import Listener


@dataclass(frozen=True, slots=True)
class FoundService:
    """A service with its listeners; `pid` is 0 where it does not run, and -1 where it runs as a process unknown."""

    name: str
    pid: int
    since: datetime | None
    test: ConfigTest | None
    listeners: tuple[Listener, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundPanel:
    """The panel of a host, and what its layout's script printed there."""

    layout: Panel
    dump: ConfigDump

    def arranged(self, found: Sequence[FoundService], declared: Sequence[FoundService]) -> Iterator[FoundService]:
        """Yield what was found, but for what is switched off, then the panel's services; what is declared stays."""
        laid = []
        for one in found:
            listeners = self.layout.kept(self.dump, _laid(one))
            if listeners:
                laid.append(replace(one, listeners=listeners))
        yield from laid
        for service in self.layout.services(self.dump, [_laid(one) for one in (*laid, *declared)]):
            yield FoundService(service.service, -1 if service.is_running else 0, None, None, service.listeners)

    def websites(self, name: str, found: Sequence[Website]) -> tuple[Website, ...]:
        """Return the websites of the host's own name that no service has and that are known by the panel's layout."""
        return self.layout.websites(self.dump, name, found)

    def word(self, service: str, files: Sequence[InstalledFile]) -> str | None:
        """Return the panel's word for a service whose certificate it installs."""
        return self.layout.word(service, files)


def _laid(one: FoundService) -> PanelService:
    return PanelService(one.name, one.listeners, one.pid != 0)


def panel_of(answer: Mapping[str, Section], facts: HostFacts) -> FoundPanel | None:
    """Return the panel of the host that answered; None where there is none that we know."""
    layout = layout_in(answer, LAYOUTS)
    if layout is None:
        return None
    listening = tuple(dict.fromkeys((address, port) for address, port, _ in facts.sockets))
    return FoundPanel(layout, ConfigDump(sections_of(answer, layout), listening))


def unread_marks(answer: Mapping[str, Section], facts: HostFacts) -> tuple[str, ...]:
    """Return a message for each panel that cannot be detected because the login lacks a right."""
    there = (one for one in LAYOUTS if one.name in answer and layout_in(answer, (one,)) is None)
    return tuple(f"{facts.user} may not read {one.mark}: the host is taken for one without {one.name}" for one in there)
