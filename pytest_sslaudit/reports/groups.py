"""Findings by check: each group has a header with the id of the check, what it requires, and how many there are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from audit.checks import built_in_checks, check_of
from audit.evaluation.result import Result
from audit.verdict import Verdict

ORDER: Final = (Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE)
_WORDS: Final = {
    Verdict.ERROR: ("error", "errors"),
    Verdict.FAIL: ("finding", "findings"),
    Verdict.INCONCLUSIVE: ("inconclusive", "inconclusive"),
}


@dataclass(frozen=True, slots=True)
class Group:
    """The results of one check that did not pass, by endpoint."""

    check: str
    results: tuple[Result, ...]

    @property
    def header(self) -> str:
        """The header in one line: `cert.expired (2 findings): The certificate must not be expired`."""
        counts = Counter(result.verdict for result in self.results)
        shown = (f"{counts[verdict]} {_WORDS[verdict][counts[verdict] > 1]}" for verdict in ORDER if counts[verdict])
        title = title_of(self.check)
        return f"{self.check} ({', '.join(shown)}){f': {title}' if title else ''}"


def groups_of(results: Iterable[Result]) -> Iterator[Group]:
    """Yield the results by check, the check with the worst result first."""
    by_check = dict[str, list[Result]]()
    for result in results:
        by_check.setdefault(result.check, []).append(result)
    for check in sorted(by_check, key=lambda check: (min(map(badness, by_check[check])), check)):
        yield Group(check, tuple(sorted(by_check[check], key=lambda result: result.endpoint)))


def badness(result: Result) -> tuple[int, int]:
    """Return the sorting key of a result that did not pass: the worst has the least."""
    return ORDER.index(result.verdict), -result.severity.rank


def title_of(check: str) -> str:
    """Return what a built-in check requires, in one sentence; nothing for another check."""
    return _titles().get(check, "")


@cache
def _titles() -> dict[str, str]:
    """Return the first sentence of each built-in check, by id, without the source that each result has."""
    marked = ((check_of(function), function.__doc__ or "") for function in built_in_checks())
    return {check.id: _first_sentence(text).removesuffix(f" ({check.source})") for check, text in marked if check}


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split()).removesuffix(".")


def group_script() -> str:
    """Return the script that puts the headers into the table of pytest-html, which is made by a script too."""
    titles = json.dumps(_titles()).replace("<", "\\u003c")
    script = files("pytest_sslaudit.reports").joinpath("groups.js").read_text(encoding="utf-8")
    return f'<script type="application/json" id="sslaudit-titles">{titles}</script><script>{script}</script>'
