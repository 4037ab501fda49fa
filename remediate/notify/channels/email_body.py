"""How a letter reads: as plain text for a terminal, and as HTML for everything else, with the same words.

It knows escaping and wrapping; it refuses to know mail. No control character and no markup of others gets through.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from audit.text import moment
from remediate.model.text import plain, plain_lines
from remediate.notify.notification import WORST_FIRST, ReportItem, Run, Section, State, worst_first

_COLUMNS: Final = 76
_LABEL: Final = 13  # columns of `What to do:` and the room after it
_MOST_ENTRIES: Final = 50  # of one host; the rest is in the results
_COLOURS: Final[dict[State, str]] = {
    "failed": "#b3261e",
    "waiting": "#8a5a00",
    "repaired": "#1b6e3c",
    "recovered": "#1b6e3c",
}
_WARNED: Final = "to be warned of"
_WORDS: Final = (*WORST_FIRST, _WARNED)
_OPENING: Final[dict[State, str]] = {
    "failed": "Something is wrong and was not repaired.",
    "waiting": "Something is wrong and its repair is under way; nothing has to be done now unless it is said below.",
    "repaired": "What was wrong has been repaired and is proven on the wire.",
    "recovered": "All is well again.",
}


def as_text(sections: Sequence[Section], state: State, run: Run, remarks: Sequence[str]) -> str:
    """Return the letter in plain text, in lines of 76 characters but for longer words."""
    lines = [line for said in opening(sections, state) for line in (*_wrapped(said), "")]
    for section in sections:
        title = f"{plain(section.host, 200)}: {_tally(section)}"
        lines += [title, "-" * min(len(title), _COLUMNS), ""]
        lines += [*(f"  {line}" for line in services), ""] if (services := _by_service(section)) else []
        for entry in _shown(section):
            lines += [*_entry_lines(entry), ""]
        lines += [*_wrapped(_rest(section)), ""] if _rest(section) else []
    closing = [line for said in _closing(run, remarks) for line in _wrapped(said)]
    return "\n".join([*lines, *closing]) + "\n"


def as_html(sections: Sequence[Section], state: State, run: Run, remarks: Sequence[str]) -> str:
    """Return the letter in HTML: nothing in it is fetched, and everything told by others is escaped."""
    body = [f"<p>{escape(said)}</p>" for said in opening(sections, state)]
    for section in sections:
        body.append(f"<h2>{escape(plain(section.host, 200))}: {escape(_tally(section))}</h2>")
        body += [f"<p>{'<br>'.join(map(escape, services))}</p>"] if (services := _by_service(section)) else []
        body += [_entry_table(entry) for entry in _shown(section)]
        body += [f"<p>{escape(_rest(section))}</p>"] if _rest(section) else []
    body += ["<hr>", *(f"<p><small>{escape(said)}</small></p>" for said in _closing(run, remarks))]
    head = '<meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Certificates</title>'
    style = 'style="font-family:sans-serif;line-height:1.4"'
    inside = "\n".join(body)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body {style}>\n{inside}\n</body></html>\n'


def opening(sections: Sequence[Section], state: State) -> Iterator[str]:
    """Yield the first paragraphs: the services that are down, then the state of things as a whole."""
    for section, entry in worst_first(sections):
        if entry.is_down:
            first, *_ = [*plain_lines(entry.happened), ""]
            yield plain(f"SERVICE DOWN: {section.host}: {entry.service}: {first}. To do: {entry.to_do}")
    yield _OPENING[state]


def _shown(section: Section) -> list[ReportItem]:
    return [entry for _, entry in worst_first([section])][:_MOST_ENTRIES]


def _rest(section: Section) -> str:
    more = len(section.entries) - _MOST_ENTRIES
    return f"{more} more of {plain(section.host, 200)} are in the results." if more > 0 else ""


def _tally(section: Section) -> str:
    counts = {state: sum(entry.state == state for entry in section.entries) for state in WORST_FIRST}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "nothing is wrong"


def _by_service(section: Section) -> list[str]:
    """Return a line for each service with what is told of it below, where there are several; what is minor warns."""
    counts = Counter((name, _word(entry)) for entry in section.entries for name in _services(entry))
    names = sorted({name for name, _ in counts})
    told = {name: [f"{counts[name, word]} {word}" for word in _WORDS if counts[name, word]] for name in names}
    return [f"{plain(name, 60)}: {', '.join(told[name])}" for name in names] if len(names) > 1 else []


def _services(entry: ReportItem) -> Sequence[str]:
    return entry.services or ["the host itself"]


def _word(entry: ReportItem) -> str:
    return _WARNED if entry.is_minor else entry.state


def _rows(entry: ReportItem) -> Iterator[tuple[str, list[str]]]:
    """Yield what is told about an entry, a name and lines; what there is nothing to say about is left out."""
    told = (
        ("Reason", [f"{plain(entry.reason)} [{plain(entry.check, 60)}, {entry.severity.value}]"]),
        ("Tried", plain_lines(entry.tried)),
        ("Happened", _happened(entry)),
        ("What to do", plain_lines(entry.to_do)),
        ("Next try", [f"by the first run after {moment(entry.next_try)}"] if entry.next_try else []),
    )
    return ((name, said) for name, said in told if said)


def _happened(entry: ReportItem) -> list[str]:
    """Return what happened, with the word that names it at the end of its first line."""
    first, *rest = plain_lines(entry.happened) or [""]
    named = f"{first} [{plain(entry.cause, 60)}]" if entry.cause else first
    return [line for line in (named.strip(), *rest) if line]


def _heading(entry: ReportItem) -> str:
    return f"{plain(entry.service, 60)}  {plain(entry.endpoint, 300)}".strip()


def _entry_lines(entry: ReportItem) -> Iterator[str]:
    yield f"{entry.state.upper()}  {_heading(entry)}"
    under = " " * (_LABEL + 2)
    for name, said in _rows(entry):
        yield from _wrapped(f"{name}:".ljust(_LABEL) + said[0], first="  ", rest=under)
        for line in said[1:]:
            yield from _wrapped(line, first=f"{under}- ", rest=f"{under}  ")


def _entry_table(entry: ReportItem) -> str:
    mark = f'<span style="color:{_COLOURS[entry.state]}">{entry.state.upper()}</span>'
    rows = "\n".join(
        f'<tr><th scope="row" align="left" valign="top" style="padding-right:1em;white-space:nowrap">{name}</th>'
        f'<td style="overflow-wrap:anywhere">{"<br>".join(map(escape, said))}</td></tr>'
        for name, said in _rows(entry)
    )
    return f"<h3>{mark} {escape(_heading(entry))}</h3>\n<table>\n{rows}\n</table>"


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    """Return lines of at most 76 columns; a longer word, such as a URL or a command's path, is left in one piece."""
    return textwrap.wrap(
        text,
        _COLUMNS,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_remark(line: str) -> str:
    """Return a line about the letter as a sentence of its own."""
    said = plain(line)
    return f"{said[:1].upper()}{said[1:]}."


def _closing(run: Run, remarks: Sequence[str]) -> Iterator[str]:
    yield from remarks
    yield "The same is not told again until something changes."
    yield f"sslaudit {plain(run.version, 60)} on {plain(run.controller, 200)}, {moment(run.at)}"
