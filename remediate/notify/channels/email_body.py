"""Renders the two bodies of an email, plain text and HTML, from the same values and with the same words.

The templates are `email.txt.j2` and `email.html.j2`. All foreign text is made printable before it reaches them.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from audit.text import moment
from remediate.model.text import plain, plain_lines
from remediate.notify.notification import WORST_FIRST, ReportItem, Run, Section, State, worst_first

_COLUMNS: Final = 76
_MAX_ITEMS: Final = 50  # of one host; the others are in the results file
_WARNING: Final = "to be warned of"
_WORDS: Final = (*WORST_FIRST, _WARNING)
_OPENING: Final[dict[State, str]] = {
    "failed": "Something is wrong and was not repaired.",
    "waiting": "Something is wrong and its repair is under way; nothing has to be done now unless it is said below.",
    "repaired": "What was wrong has been repaired and is proven on the wire.",
    "recovered": "All is well again.",
}


@dataclass(frozen=True, slots=True)
class EmailBody:
    """The values that both templates render."""

    opening: tuple[str, ...]
    hosts: tuple[HostPart, ...]
    closing: tuple[str, ...]

    def as_text(self) -> str:
        """Return the plain text."""
        return self._rendered("email.txt.j2")

    def as_html(self) -> str:
        """Return the HTML."""
        return self._rendered("email.html.j2")

    def _rendered(self, template: str) -> str:
        values = {"opening": self.opening, "hosts": self.hosts, "closing": self.closing}
        return _templates().get_template(template).render(values)


@dataclass(frozen=True, slots=True)
class HostPart:
    """What the body says about one host. `services` has a line for each service if there are several."""

    title: str
    services: tuple[str, ...]
    items: tuple[ItemPart, ...]
    more: str


@dataclass(frozen=True, slots=True)
class ItemPart:
    """One item: its state, its heading, and its rows, each a name and at least one line."""

    state: State
    heading: str
    rows: tuple[tuple[str, Sequence[str]], ...]


def email_body(sections: Sequence[Section], state: State, run: Run, remarks: Sequence[str]) -> EmailBody:
    """Return the body of an email about these hosts; `remarks` are printable sentences about the email itself."""
    hosts = tuple(map(_host_part, sections))
    return EmailBody(tuple(_opening(sections, state)), hosts, (*remarks, *_closing(run)))


@cache
def _templates() -> Environment:
    """Return the templates of this package: HTML is escaped, and an undefined name is an error."""
    environment = Environment(
        loader=PackageLoader("remediate.notify.channels", "."),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), disabled_extensions=("txt.j2",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["wrap"] = _wrapped
    return environment


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    """Return lines of at most 76 columns; a longer word, such as a URL or the path of a command, stays whole."""
    lines = textwrap.wrap(
        text,
        _COLUMNS,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)


def _opening(sections: Sequence[Section], state: State) -> Iterator[str]:
    """Yield the first paragraphs: the services that are down, then the state as a whole."""
    for section, entry in worst_first(sections):
        if entry.is_down:
            first, *_ = [*plain_lines(entry.happened), ""]
            yield plain(f"SERVICE DOWN: {section.host}: {entry.service}: {first}. To do: {entry.to_do}")
    yield _OPENING[state]


def _closing(run: Run) -> Iterator[str]:
    yield "The same is not told again until something changes."
    yield f"sslaudit {plain(run.version, 60)} on {plain(run.controller, 200)}, {moment(run.at)}"


def _host_part(section: Section) -> HostPart:
    host = plain(section.host, 200)
    shown = [entry for _, entry in worst_first([section])][:_MAX_ITEMS]
    more = len(section.entries) - len(shown)
    return HostPart(
        f"{host}: {_counts_by_state(section)}",
        tuple(_counts_by_service(section)),
        tuple(map(_item_part, shown)),
        f"{more} more of {host} are in the results." if more else "",
    )


def _counts_by_state(section: Section) -> str:
    counts = Counter(entry.state for entry in section.entries)
    return ", ".join(f"{counts[state]} {state}" for state in WORST_FIRST if counts[state]) or "nothing is wrong"


def _counts_by_service(section: Section) -> list[str]:
    """Return a line for each service with how many items it has of each state; nothing for a single service."""
    counts = Counter((name, _word(entry)) for entry in section.entries for name in _services(entry))
    names = sorted({name for name, _ in counts})
    parts = {name: [f"{counts[name, word]} {word}" for word in _WORDS if counts[name, word]] for name in names}
    return [f"{plain(name, 60)}: {', '.join(parts[name])}" for name in names] if len(names) > 1 else []


def _services(entry: ReportItem) -> Sequence[str]:
    return entry.services or ["the host itself"]


def _word(entry: ReportItem) -> str:
    return _WARNING if entry.is_minor else entry.state


def _item_part(entry: ReportItem) -> ItemPart:
    heading = f"{plain(entry.service, 60)}  {plain(entry.endpoint, 300)}".strip()
    return ItemPart(entry.state, heading, tuple(_rows(entry)))


def _rows(entry: ReportItem) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of an item that have a text."""
    rows = (
        ("Reason", [f"{plain(entry.reason)} [{plain(entry.check, 60)}, {entry.severity.value}]"]),
        ("Tried", plain_lines(entry.tried)),
        ("Happened", _happened(entry)),
        ("What to do", plain_lines(entry.to_do)),
        ("Next try", [f"by the first run after {moment(entry.next_try)}"] if entry.next_try else []),
    )
    return ((name, texts) for name, texts in rows if texts)


def _happened(entry: ReportItem) -> list[str]:
    """Return what happened, with its causes at the end of the first line."""
    first, *rest = plain_lines(entry.happened) or [""]
    with_cause = f"{first} [{plain(entry.cause, 60)}]" if entry.cause else first
    return [line for line in (with_cause.strip(), *rest) if line]


def as_remark(text: str) -> str:
    """Return a line about the email as a sentence of its own."""
    line = plain(text)
    return f"{line[:1].upper()}{line[1:]}."
