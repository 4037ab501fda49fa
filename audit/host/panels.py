"""Values for a service on a host, running or only configured, and for the panel that arranges it."""

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
    """A service with its listeners; `pid` is 0 if it does not run, and -1 if it runs as an unknown process."""

    name: str
    pid: int
    since: datetime | None
    test: ConfigTest | None
    listeners: tuple[Listener, ...]
    missing: tuple[str, ...] = ()
    has_failed: bool = False  # its unit was started and has failed


@dataclass(frozen=True, slots=True)
class FoundPanel:
    """The panel of a host, and the output of its layout's script."""

    layout: Panel
    dump: ConfigDump

    def arranged(self, services: Sequence[FoundService], declared: Sequence[FoundService]) -> Iterator[FoundService]:
        """Yield the services found, without those that the panel switched off, then the panel's own services."""
        enabled = []
        for service in services:
            listeners = self.layout.kept(self.dump, _panel_service(service))
            if listeners:
                enabled.append(replace(service, listeners=listeners))
        yield from enabled
        known = [_panel_service(service) for service in (*enabled, *declared)]
        for added in self.layout.services(self.dump, known):
            yield FoundService(added.service, -1 if added.is_running else 0, None, None, added.listeners)

    def websites(self, name: str, service_websites: Sequence[Website]) -> tuple[Website, ...]:
        """Return the websites of the host's own name that the panel serves and no service has."""
        return self.layout.websites(self.dump, name, service_websites)

    def word(self, service: str, files: Sequence[InstalledFile]) -> str | None:
        """Return the panel's word for a service whose certificate it installs."""
        return self.layout.word(service, files)


def _panel_service(service: FoundService) -> PanelService:
    return PanelService(service.name, service.listeners, service.pid != 0)


def panel_of(output: Mapping[str, Section], facts: HostFacts) -> FoundPanel | None:
    """Return the panel of the host; None if it has no known panel."""
    layout = layout_in(output, LAYOUTS)
    if layout is None:
        return None
    listening = tuple(dict.fromkeys((address, port) for address, port, _ in facts.sockets))
    return FoundPanel(layout, ConfigDump(sections_of(output, layout), listening))


def unread_marks(output: Mapping[str, Section], facts: HostFacts) -> tuple[str, ...]:
    """Return a message for each panel that cannot be detected because the login lacks a right."""
    unreadable = (layout for layout in LAYOUTS if layout.name in output and layout_in(output, (layout,)) is None)
    return tuple(
        f"{facts.user} may not read {layout.mark}: the host is treated as one without {layout.name}"
        for layout in unreadable
    )
