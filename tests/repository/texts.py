"""Extracts what people read in the source: docstrings, comments, messages and documentation, each with its line.

`python -m tests.repository.texts --seed N` prints some of them, drawn at random, to review their English.
"""

from __future__ import annotations

import argparse
import ast
import io
import random
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("audit", "pytest_sslaudit", "remediate", "bench")
_MESSAGE_WORDS: Final = 3  # a literal of fewer words is a key, a path or a format
_OTHER_LANGUAGE: Final = re.compile(r"[{;<=]\s*$|^\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER)\b", re.MULTILINE)
_DIRECTIVE: Final = re.compile(r"#\s*(?:noqa(?::\s*[A-Z0-9, ]+)?|type:\s*ignore(?:\[[\w, -]+\])?|fmt:\s*\w+)")


@dataclass(frozen=True, slots=True)
class Text:
    """A text for people, and where it is."""

    file: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        """Return the place, the kind and the text."""
        return f"{self.file}:{self.line}: {self.kind}: {self.text}"


def tracked_files(*places: str) -> tuple[Path, ...]:
    """Return the files below these places that git tracks, or that are new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *places]
    listed = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout.splitlines()
    return tuple(CHECKOUT / name for name in sorted(listed) if (CHECKOUT / name).is_file())


def texts_of(file: Path) -> Iterator[Text]:
    """Yield the texts of a file; none if its format has no reader here."""
    reader = _READERS.get(file.suffix)
    if reader is None:
        return
    name = str(file.relative_to(CHECKOUT)) if file.is_relative_to(CHECKOUT) else file.name
    for line, kind, text in reader(file.read_text(encoding="utf-8")):
        yield Text(name, line, kind, " ".join(text.split()))


def _python(source: str) -> Iterator[tuple[int, str, str]]:
    tree = ast.parse(source)
    docstrings = {id(node): node for node in _docstrings(tree)}
    yield from ((node.lineno, "docstring", str(node.value)) for node in docstrings.values())
    nested = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        is_whole = isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and id(node) not in nested)
        text = _literal(node) if is_whole and id(node) not in docstrings else ""
        if len(re.findall(r"[a-z]{2,}", text)) >= _MESSAGE_WORDS and " " in text and not _OTHER_LANGUAGE.search(text):
            yield getattr(node, "lineno", 0), "message", text
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [(token.start[0], token.string, token.line) for token in tokens if token.type == tokenize.COMMENT]
    yield from _comments((number, text) for number, text, line in comments if line.lstrip().startswith("#"))
    for number, text, line in comments:
        if not line.lstrip().startswith("#"):
            yield from _comments(iter([(number, text)]))


def _docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield each string that is a statement: the docstrings, and those below a constant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def _literal(node: ast.AST) -> str:
    """Return a string, with `{}` in the place of each value that is formatted into it."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
    return ""


def _comments(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    """Yield the comments of these lines, those of successive lines joined; of a directive only its reason."""
    first, last, joined = 0, 0, ""
    for number, line in lines:
        text = _DIRECTIVE.sub("", line).lstrip("#- ").strip()
        if joined and number != last + 1:
            yield first, "comment", joined
            joined = ""
        first, last, joined = (first if joined else number), number, f"{joined} {text}".strip()
    if joined:
        yield first, "comment", joined


def _hash_comments(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield the comments of a shell script, an awk program or a TOML file, and its quoted messages."""
    numbered = list(enumerate(source.splitlines(), 1))
    yield from _comments((number, line.strip()) for number, line in numbered if re.match(r"\s*#(?!!)", line))
    for number, line in numbered:
        if not re.match(r"\s*#", line):
            yield from ((number, "message", text) for text in _quoted(line))
            yield from ((number, "comment", text) for text in re.findall(r"\s# (.*)$", line))


def _quoted(line: str) -> Iterator[str]:
    for text in re.findall(r'"((?:[^"\\]|\\.)*)"', line):
        if (
            " " in text
            and len(re.findall(r"(?<![\w$-])[a-z]{2,}", text)) >= _MESSAGE_WORDS
            and not re.search(r"\$\(|;|&&", text)
        ):
            yield text


def _dash_comments(source: str) -> Iterator[tuple[int, str, str]]:
    numbered = enumerate(source.splitlines(), 1)
    yield from _comments((number, line.strip()) for number, line in numbered if line.lstrip().startswith("--"))


def _paragraphs(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield the paragraphs, list items and table rows of a page, without its code."""
    prose = re.sub(r"```.*?```", lambda code: "\n" * code[0].count("\n"), source, flags=re.DOTALL)
    first, lines = 0, list[str]()
    for number, line in enumerate([*prose.splitlines(), ""], 1):
        is_new = not line.strip() or line.startswith(("    ", "#", "|", "- ")) or re.match(r"\d+\. ", line)
        if is_new and lines:
            yield first, "documentation", " ".join(lines)
            lines = []
        if line.strip() and not line.startswith("    ") and not line.startswith("|--"):
            first = first if lines else number
            lines.append(line)


_READERS: Final[dict[str, Callable[[str], Iterator[tuple[int, str, str]]]]] = {
    ".py": _python,
    ".sh": _hash_comments,
    ".awk": _hash_comments,
    ".toml": _hash_comments,
    ".sql": _dash_comments,
    ".md": _paragraphs,
    ".j2": lambda source: ((number, "template", line) for number, line in enumerate(source.splitlines(), 1) if line),
}


def main() -> int:
    """Print texts drawn at random from these files."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("places", nargs="*", default=PACKAGES, help="files and directories")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same texts (default 0)")
    parser.add_argument("--count", type=int, default=100, help="how many (default 100)")
    options = parser.parse_args()
    texts = [text for file in tracked_files(*options.places) for text in texts_of(file)]
    drawn = random.Random(options.seed).sample(texts, min(options.count, len(texts)))  # noqa: S311 - not a secret
    sys.stdout.writelines(f"{text}\n" for text in sorted(drawn, key=lambda text: (text.file, text.line)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
