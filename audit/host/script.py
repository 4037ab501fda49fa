"""Builds the script that a host runs, and reads the sections of its output."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from audit.host.cpanel import CPANEL_SCRIPT
from audit.host.trust import TRUST, load_shell
from audit.observation import ConfigTest
from audit.services.model import Panel, Section, Service

COMMAND_LIMIT_S: Final = 10  # for each program of a script; the login's deadline is for the whole script
SECTION_BYTES: Final = 8_000_000  # a panel with 3,000 virtual hosts writes some 6 MB of apache configuration
CUT: Final = "cut"
"""Stands for the exit status of a section if its command printed more than is kept."""

_TIMED_OUT: Final = (124, 137)  # the status of timeout(1)
_DETAIL: Final = 400  # characters of a failed configuration test that are kept
_FRAME: Final = "sslaudit-nonce "
_NONCE_SCRIPT: Final = r"""nonce=$(od -An -N16 -tx1 /dev/urandom | tr -d " \n")
case $nonce in "" | *[!0-9a-f]*) exit 126 ;; esac
echo "@FRAME@$nonce"
"""
_NAMES: Final = re.compile(r"""\bsection[ \t]+("[^"\n]+"|'[^'\n]+'|[^\s;|&]+)""")
_QUOTED_NAMES: Final = 3  # sections named in a message about invalid output
MAX_PROCESSES: Final = 16  # instances of services whose configuration is read
_DONE: Final = 'frame "begin done"\nframe "end 0 :"\n'
"""The last section, which is empty: the output is complete."""
ABOUT_HOST: Final = load_shell("audit.host", "host")
ABOUT_LAYOUT: Final = r"""
layout_@NAME@() {
@BODY@}
if [ -e @MARK@ ]; then
  section @NAME@ read_trusted @MARK@
  prefix=@NAME@.; { layout_@NAME@; } 2>/dev/null; prefix=
fi
"""
"""The sections of a panel, if it is installed; the section with its name holds its version."""
READERS: Final = load_shell("audit.host", "configuration")
"""Functions for the services' own scripts: an option of the process, and a file with all files that it includes."""
ABOUT_SERVICES: Final = load_shell("audit.host", "services")


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a script without the prologue, and regular expressions of the sections that it may print.

    `request` is the same for a collector; it is None if a collector does not run this script.
    """

    body: str
    sections: tuple[str, ...]
    request: tuple[str, ...] | None = None

    def expects(self, name: str) -> bool:
        """Return whether the script may print a section of that name."""
        if name == "done" or re.escape(name) in self.sections:  # most names have no variable
            return True
        return any(re.fullmatch(pattern, name) for pattern in self.sections)


class InvalidOutput(ValueError):
    """Output that the script cannot have printed; the message gives the reason."""


def script_of(body: str, request: tuple[str, ...] | None = None) -> Script:
    """Return a script that may print the sections its text names."""
    return Script(body, section_names(body), request)


@lru_cache(maxsize=32)  # the first script is the same for all hosts
def section_names(text: str, prefix: str = "") -> tuple[str, ...]:
    """Return a regular expression for each section a shell text names; variables in a name match any text."""
    names = dict.fromkeys(match[1].strip("\"'") for match in _NAMES.finditer(text))
    return tuple(prefix + _pattern(name) for name in names)


def _pattern(name: str) -> str:
    parts = re.split(r"\$\{\w+\}|\$\w+", name)
    return r"[^\n]*".join(re.escape(part) for part in parts)


@cache
def shell_text(name: str) -> str:
    """Return the text of `audit/host/shell/NAME.sh` without its comments."""
    return load_shell("audit.host", name)


def prologue(nonce: str) -> str:
    """Return the settings and functions that every script begins with, `shell/trust` too; the nonce is a word."""
    if not re.fullmatch(r"[\w-]+", nonce):
        raise ValueError(f"the nonce {nonce!r} is not a word")
    return f"nonce={nonce}\n" + _prologue()


def _prologue() -> str:
    framing = filled(shell_text("prologue"), BYTES=SECTION_BYTES)
    return f"{shell_text('settings')}limit_s={COMMAND_LIMIT_S}\n{TRUST}{framing}"


def composed(script: Script, nonce: str | None) -> str:
    """Return the whole text for a shell; without a nonce the host makes one and prints it first."""
    begin = prologue(nonce) if nonce else filled(_NONCE_SCRIPT, FRAME=_FRAME) + _prologue()
    return f"{{\n{begin}{script.body}{_DONE}exit 0\n}} </dev/null\n"


def nonce_in(text: str) -> str | None:
    """Return the nonce that a host made and printed; None if it printed none."""
    match = re.search(rf"^{_FRAME}([0-9a-f]{{32}})$", text, re.MULTILINE)
    return match[1] if match else None


def filled(script: str, **values: object) -> str:
    """Replace each `@NAME@` by its value: shell has uses of its own for % and $ and braces."""
    for name, value in values.items():
        script = script.replace(f"@{name}@", str(value))
    return script


def read_sections(nonce: str, text: str, expects: Callable[[str], bool] = lambda _: True) -> dict[str, Section]:
    """Return the output of a script by section; text before, between and after the frames is ignored.

    Raises InvalidOutput if a section appears twice or was not requested: then the frames contain text that is not the
    script's, and no part of the output can be trusted.
    """
    parts = re.split(rf"^{re.escape(nonce)} begin (.*)\n", text, flags=re.MULTILINE)
    names = parts[1::2]
    _verify(names, expects)
    return {name: _section(nonce, body) for name, body in zip(names, parts[2::2], strict=True)}


def _verify(names: Iterable[str], expects: Callable[[str], bool]) -> None:
    seen = set[str]()
    repeated, unexpected = list[str](), list[str]()
    for name in names:
        if name in seen:
            repeated.append(name)
        elif not expects(name):
            unexpected.append(name)
        seen.add(name)
    if repeated or unexpected:
        reasons = (("appears twice", repeated), ("was not requested", unexpected))
        problems = (f"section {_quoted(sections)} {problem}" for problem, sections in reasons if sections)
        raise InvalidOutput("; ".join(problems))


def _quoted(names: list[str]) -> str:
    return ", ".join(f"{name[:60]!a}" for name in names[:_QUOTED_NAMES])


def _section(nonce: str, body: str) -> Section:
    content, end, rest = body.partition(f"\n{nonce} end ")
    rc, _, command = rest.partition("\n")[0].partition(" ")
    is_complete = bool(end) and re.fullmatch(r"[0-9]{1,9}", rc)
    return Section(content.strip("\n"), int(rc) if is_complete else None, _plain(command), is_cut=rc == CUT)


def _plain(command: str) -> str:
    """Return a command as a person would type it, without our limits and filters."""
    return re.sub(
        r"^(?:(?:silent|tested|run_trusted|run_as_process \d+|t_watched|timeout (?:-k \d+ )?\d+) )+", "", command
    )


def cut_sections(sections: Mapping[str, Section]) -> tuple[str, ...]:
    """Return one message per section whose command printed more than is kept."""
    limit = f"more than {SECTION_BYTES // 1_000_000} MB"
    return tuple(
        f"{(section.command or name)[:80]!a} printed {limit}, and the rest was not read"
        for name, section in sections.items()
        if section.is_cut
    )


def config_test(section: Section) -> ConfigTest:
    """Return the result of a daemon's own test of its configuration."""
    if section.rc in _TIMED_OUT:
        return ConfigTest(section.command, ok=False, detail=f"it did not finish within {COMMAND_LIMIT_S} s")
    if section.rc == 0:
        return ConfigTest(section.command, ok=True)
    return ConfigTest(section.command, ok=False, detail=_error_lines(section.text) or f"exit status {section.rc}")


def denied_test(section: Section, user: str) -> str:
    """Return the message that a login may not test a configuration; an empty text if it may."""
    if not section.rc or user == "root" or "ermission denied" not in section.text:
        return ""
    return f"{user} may not test the configuration: {_error_lines(section.text)}"


def _error_lines(text: str) -> str:
    """Return the lines of a program's output that name errors, else the end of the output, on one line."""
    lines = [line.strip() for line in text.splitlines()]
    errors = [line for line in lines if re.search(r"emerg|alert|error|fatal|denied|invalid|AH\d+", line, re.IGNORECASE)]
    return " ".join(errors or lines)[-_DETAIL:]


def inspection_script(services: Sequence[Service], layouts: Sequence[Panel]) -> Script:
    """Return the script that reports the host, all services in the table, and the installed panel."""
    functions = "".join(map(_functions_of, services))
    cases = "".join(f"  {' | '.join(service.processes)}) s={service.identifier} ;;\n" for service in services)
    names = " ".join(service.identifier for service in services)
    functions += f"service_of() {{\n  case $1 in\n{cases}  *) return 1 ;;\n  esac\n}}\n"
    about = f"services='{names}' most_processes={MAX_PROCESSES}\n{ABOUT_SERVICES}"
    panels = "".join(filled(ABOUT_LAYOUT, NAME=layout.name, MARK=layout.mark, BODY=layout.script) for layout in layouts)
    body = ABOUT_HOST + panels + CPANEL_SCRIPT + READERS + functions + about
    sections = (*section_names(ABOUT_HOST + CPANEL_SCRIPT + about), *_of_services(services), *_of_layouts(layouts))
    return Script(body, sections, ("services",) if services else ("host",))


def _functions_of(service: Service) -> str:
    name = service.identifier
    return (
        f"service_{name}() {{\n{service.script}}}\n"
        f"programs_{name}() {{ echo {' '.join(service.processes)}; }}\n"
        f"options_{name}() {{ echo {' '.join(service.options)}; }}\n"
        f"own_program_{name}() {{ {'true' if service.has_own_program else 'false'}; }}\n"
        f"daemon_{name}={shlex.quote(service.daemon)} tasks_{name}={shlex.quote(service.tasks)}\n"
    )


def _of_services(services: Sequence[Service]) -> Iterator[str]:
    """Yield a pattern for each section of a service: those of its own script, and those of every instance."""
    for service in services:
        yield from section_names(ABOUT_SERVICES + service.script, rf"{service.identifier}#[0-9]{{1,10}}\.")


def _of_layouts(layouts: Sequence[Panel]) -> Iterator[str]:
    for layout in layouts:
        yield re.escape(layout.name)
        yield from section_names(layout.script, re.escape(f"{layout.name}."))


def layout_in(sections: Mapping[str, Section], layouts: Sequence[Panel]) -> Panel | None:
    """Return the panel that a host reports; None if it has none, or if the login may not read its version."""
    return next((layout for layout in layouts if _has_version(sections.get(layout.name))), None)


def _has_version(version: Section | None) -> bool:
    return version is not None and version.rc == 0 and bool(version.text.strip())


def sections_of(sections: Mapping[str, Section], layout: Panel) -> dict[str, Section]:
    """Return the sections of a panel's own script by their names in it."""
    prefix = f"{layout.name}."
    return {name.removeprefix(prefix): section for name, section in sections.items() if name.startswith(prefix)}


def instances(sections: Mapping[str, Section]) -> dict[tuple[str, int], dict[str, Section]]:
    """Return the sections of each instance of a service, by the service's identifier and the process (0: at rest)."""
    by_instance: dict[tuple[str, int], dict[str, Section]] = {}
    for name, section in sections.items():
        match = re.fullmatch(r"(\w+)#([0-9]{1,10})\.(.+)", name)
        if match:
            by_instance.setdefault((match[1], int(match[2])), {})[match[3]] = section
    return by_instance
