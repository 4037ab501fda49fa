"""The script of the first command on a host: the host itself, its panel, and the services that run there.

It needs POSIX shell, `/proc` and a few programs; each service reads its own sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from audit.host.script import Script, filled, section_names
from audit.host.trust import load_shell
from audit.probe.upkeep import UPKEEP
from audit.services.model import Layout, Section, Service

MAX_PROCESSES: Final = 16  # instances of services that are asked for their configuration

ABOUT_HOST: Final = load_shell("audit.host", "host")

ABOUT_LAYOUT: Final = r"""
layout_@NAME@() {
@BODY@}
if [ -e @MARK@ ]; then
  section @NAME@ read_trusted @MARK@
  prefix=@NAME@.; { layout_@NAME@; } 2>/dev/null; prefix=
fi
"""
"""A panel's own sections, where the panel is; that of its name holds its version."""

READERS: Final = load_shell("audit.host", "configuration")
"""What the services' own scripts are written with: an option of the process, and a file with all that it includes."""

ABOUT_SERVICES: Final = load_shell("audit.host", "services")


def whole_script(services: Sequence[Service], layouts: Sequence[Layout]) -> Script:
    """Return the script that reports a host, each service in the table and the panel that is installed."""
    functions = "".join(map(_functions_of, services))
    cases = "".join(f"  {' | '.join(service.processes)}) s={_identifier(service)} ;;\n" for service in services)
    names = " ".join(_identifier(service) for service in services)
    functions += f"service_of() {{\n  case $1 in\n{cases}  *) return 1 ;;\n  esac\n}}\n"
    about = f"services='{names}' most_processes={MAX_PROCESSES}\n{ABOUT_SERVICES}"
    panels = "".join(filled(ABOUT_LAYOUT, NAME=one.name, MARK=one.mark, BODY=one.script) for one in layouts)
    body = ABOUT_HOST + panels + UPKEEP + READERS + functions + about
    sections = (*section_names(ABOUT_HOST + UPKEEP + about), *_of_services(services), *_of_layouts(layouts))
    return Script(body, sections, ("services",) if services else ("host",))


def _functions_of(service: Service) -> str:
    name = _identifier(service)
    return (
        f"service_{name}() {{\n{service.script}}}\n"
        f"programs_{name}() {{ echo {' '.join(service.processes)}; }}\n"
        f"options_{name}() {{ echo {' '.join(service.options)}; }}\n"
    )


def _of_services(services: Sequence[Service]) -> Iterator[str]:
    """Yield what the sections of services are called: those of a service's own script, and those of every instance."""
    for service in services:
        yield from section_names(ABOUT_SERVICES + service.script, rf"{_identifier(service)}#[0-9]{{1,10}}\.")


def _of_layouts(layouts: Sequence[Layout]) -> Iterator[str]:
    for layout in layouts:
        yield re.escape(layout.name)
        yield from section_names(layout.script, re.escape(f"{layout.name}."))


def _identifier(service: Service) -> str:
    return re.sub(r"\W", "_", service.name)


def layout_in(sections: Mapping[str, Section], layouts: Sequence[Layout]) -> Layout | None:
    """Return the panel that a host says it has; None where it has none, or the login may not read its version."""
    return next((one for one in layouts if _told(sections.get(one.name))), None)


def _told(version: Section | None) -> bool:
    return version is not None and version.rc == 0 and bool(version.text.strip())


def sections_of(sections: Mapping[str, Section], layout: Layout) -> dict[str, Section]:
    """Return the sections of a panel's own script by their names in it."""
    mine = f"{layout.name}."
    return {name.removeprefix(mine): section for name, section in sections.items() if name.startswith(mine)}


def instances(sections: Mapping[str, Section]) -> dict[tuple[str, int], dict[str, Section]]:
    """Return the sections of each instance of a service, by the service's identifier and the process (0: at rest)."""
    found: dict[tuple[str, int], dict[str, Section]] = {}
    for name, section in sections.items():
        match = re.fullmatch(r"(\w+)#([0-9]{1,10})\.(.+)", name)
        if match:
            found.setdefault((match[1], int(match[2])), {})[match[3]] = section
    return found
