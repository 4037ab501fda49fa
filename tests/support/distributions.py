"""Distributions for tests: files and entry points, unpacked into a directory of `sys.path` or packed as a wheel."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.checkout import CHECKOUT

PAGE: Final = CHECKOUT / "docs" / "extending.md"
GROUP: Final = "pytest_sslaudit."
_BLOCK: Final = re.compile(r"`([\w./-]+)`:\n\n```\w+\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution: its files by path, and its entry points as group, name and value."""

    name: str
    version: str = "1.0"
    files: Mapping[str, str] = field(default_factory=dict)
    entry_points: tuple[tuple[str, str, str], ...] = ()

    def unpack(self, folder: Path) -> Path:
        """Write the files and the metadata into a directory, and return it."""
        for path, text in self._all_files():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, "utf-8")
        return folder

    def wheel(self, folder: Path) -> Path:
        """Write the wheel into a directory, and return its path (the format: PEP 427)."""
        path = folder / f"{self._stem}-py3-none-any.whl"
        record = f"{self._stem}.dist-info/RECORD"
        with zipfile.ZipFile(path, "w") as archive:
            lines = []
            for name, text in self._all_files():
                archive.writestr(name, text)
                digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
                lines.append(f"{name},sha256={digest},{len(text.encode())}\n")
            archive.writestr(record, "".join((*lines, f"{record},,\n")))
        return path

    @property
    def _stem(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}"

    def _all_files(self) -> Iterator[tuple[str, str]]:
        yield from self.files.items()
        info = f"{self._stem}.dist-info"
        yield f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
        yield f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        groups = {group: "" for group, _, _ in self.entry_points}
        for group, name, value in self.entry_points:
            groups[group] += f"{name} = {value}\n"
        yield f"{info}/entry_points.txt", "".join(f"[{GROUP}{group}]\n{lines}" for group, lines in groups.items())


def documented_files() -> dict[str, str]:
    """Return the files that docs/extending.md prints, by path."""
    return dict(_BLOCK.findall(PAGE.read_text(encoding="utf-8")))


def documented() -> Distribution:
    """Return the distribution that docs/extending.md prints."""
    files = documented_files()
    project = tomllib.loads(files["pyproject.toml"])["project"]
    entry_points = tuple(
        (group.removeprefix(GROUP), name, value)
        for group, names in project["entry-points"].items()
        for name, value in names.items()
    )
    package = {path: text for path, text in files.items() if path.startswith("acme_sslaudit/")}
    return Distribution(project["name"], project["version"], {"acme_sslaudit/__init__.py": "", **package}, entry_points)
