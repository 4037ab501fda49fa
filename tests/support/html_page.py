"""The HTML report as a reader of its rows and its words."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


class Page(HTMLParser):
    """What pytest-html's script is given, and what stands in the page without it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.blob: dict[str, Any] = {}
        self.words: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the data of the table."""
        self.blob = json.loads(dict(attrs).get("data-jsonblob") or "null") or self.blob

    def handle_data(self, data: str) -> None:
        """Keep the words."""
        self.words += data.split()

    @property
    def rows(self) -> list[Any]:
        """Return the rows of the table."""
        return [row for rows in self.blob["tests"].values() for row in rows]
