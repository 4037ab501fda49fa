"""Renders the two bodies of an email, plain text and HTML, from the same values and with the same words.

The templates are `email.txt.j2` and `email.html.j2`. All text from servers and hosts is made printable before it
reaches them.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from audit.text import MAX_LINE, format_utc, one_line, printable_lines
from remediate.notify.notification import (
    HostSection,
    ReportItem,
    ReportState,
    RunOrigin,
    items_worst_first,
)

_COLUMNS: Final = 76
_MAX_ITEMS: Final = 50  # of one host; the others are in the results file
_BELOW: Final = "below the threshold"
_WORDS: Final = ("failed", "waiting", "repaired in part", "repaired", "recovered", _BELOW)
_OPENING: Final[dict[ReportState, str]] = {
    "failed": "There are problems that were not repaired.",
    "waiting": "Repairs are under way. You need to do nothing now unless it is listed below.",
    "repaired": "All problems were repaired and verified by connecting to each address.",
    "recovered": "All problems are solved.",
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
    """One item: its state, the word for it, its heading, and its rows, each a name and at least one line."""

    state: ReportState
    word: str
    heading: str
    rows: tuple[tuple[str, Sequence[str]], ...]


def email_body(
    sections: Sequence[HostSection], state: ReportState, run: RunOrigin, remarks: Sequence[str]
) -> EmailBody:
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


def _opening(sections: Sequence[HostSection], state: ReportState) -> Iterator[str]:
    """Yield the first paragraphs: the services that are down, then the state as a whole."""
    for section, item in items_worst_first(sections):
        if item.is_down:
            first, *_ = [*printable_lines(item.happened), ""]
            yield one_line(f"SERVICE DOWN: {section.host}: {item.service}: {first}. To do: {item.to_do}", MAX_LINE)
    yield _OPENING[state]


def _closing(run: RunOrigin) -> Iterator[str]:
    yield "You will get another message only when something changes."
    yield f"sslaudit {one_line(run.version, 60)} on {one_line(run.controller, 200)}, {format_utc(run.at)}"


def _host_part(section: HostSection) -> HostPart:
    host = one_line(section.host, 200)
    shown = [item for _, item in items_worst_first([section])][:_MAX_ITEMS]
    more = len(section.items) - len(shown)
    return HostPart(
        f"{host}: {_counts_by_state(section)}",
        tuple(_counts_by_service(section)),
        tuple(map(_item_part, shown)),
        f"{more} more items of {host} are in the results file." if more else "",
    )


def _counts_by_state(section: HostSection) -> str:
    counts = Counter(item.word for item in section.items)
    return ", ".join(f"{counts[word]} {word}" for word in _WORDS if counts[word]) or "no problem"


def _counts_by_service(section: HostSection) -> list[str]:
    """Return a line for each service with how many items it has of each state; nothing for a single service."""
    counts = Counter((name, _word(item)) for item in section.items for name in _services(item))
    names = sorted({name for name, _ in counts})
    parts = {name: [f"{counts[name, word]} {word}" for word in _WORDS if counts[name, word]] for name in names}
    return [f"{one_line(name, 60)}: {', '.join(parts[name])}" for name in names] if len(names) > 1 else []


def _services(item: ReportItem) -> Sequence[str]:
    return item.services or ["the host itself"]


def _word(item: ReportItem) -> str:
    return _BELOW if item.below_threshold else item.word


def _item_part(item: ReportItem) -> ItemPart:
    heading = f"{one_line(item.service, 60)}  {one_line(item.endpoint, 300)}".strip()
    return ItemPart(item.state, item.word, heading, tuple(_rows(item)))


def _rows(item: ReportItem) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of an item that have a text."""
    rows = (
        ("Reason", [f"{one_line(item.reason, MAX_LINE)} [{one_line(item.check, 60)}, {item.severity.value}]"]),
        ("Tried", printable_lines(item.tried)),
        ("Happened", _happened(item)),
        ("What to do", printable_lines(item.to_do)),
        ("Case", [one_line(item.case, 60)] if item.case else []),
        ("Next attempt", [f"with the first run after {format_utc(item.next_try)}"] if item.next_try else []),
    )
    return ((name, texts) for name, texts in rows if texts)


def _happened(item: ReportItem) -> list[str]:
    """Return what happened, with its causes at the end of the first line."""
    first, *rest = printable_lines(item.happened) or [""]
    with_cause = f"{first} [{one_line(item.cause, 60)}]" if item.cause else first
    return [line for line in (with_cause.strip(), *rest) if line]


def as_remark(text: str) -> str:
    """Return a line about the email as a sentence of its own."""
    line = one_line(text, MAX_LINE)
    return f"{line[:1].upper()}{line[1:]}."
