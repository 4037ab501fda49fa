"""No shell outside `shell/trust` changes a file, writes to one, or runs a program that a process or a path names.

What runs on a host is searched: every `.sh` and `.awk` file of the product, and every text in its Python that is shell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from audit.host.trust import FILES
from tests.support.checkout import CHECKOUT

PACKAGES: Final = ("audit", "remediate", "pytest_sslaudit")
TRUST: Final = tuple(f"audit/host/shell/trust/{name}.sh" for name in FILES)
VERBS: Final = "audit/host/shell/trust/acts.sh"
OWN_TEXT: Final[Mapping[str, tuple[str, ...]]] = {
    "audit/host/trust.py": ('"$trust_sh"',),  # evaluated: the files of trust
    "remediate/deployment/switch.py": ('"$library"', '"$trust_sh"', '"$daemon_text"'),  # evaluated: scripts of ours
    "remediate/hosts/shell/key/verify_key_matches.sh": ('"$does"',),  # the name of a function
    "remediate/hosts/shell/deployment/restore_links.sh": ('"$2"',),  # as above
}
"""Variables that stand where a command does, and hold text of ours alone."""

ACTS: Final = frozenset(
    [
        "chmod",
        "chown",
        "chgrp",
        "chattr",
        "setfacl",
        "cp",
        "mv",
        "ln",
        "link",
        "mkdir",
        "mkfifo",
        "mknod",
        "rm",
        "rmdir",
        "unlink",
        "shred",
        "truncate",
        "tee",
        "dd",
        "install",
        "touch",
    ]
)
_SEPARATOR: Final = re.compile(r"(\n|;;|;|\|\||&&|\||&|\$\(|\(|\)|`)")
_KEYWORDS: Final = frozenset(["!", "{", "}", "if", "then", "else", "elif", "while", "until", "do", "in", "time"])
_PREFIXES: Final = frozenset(
    [
        "$limit",
        "env",
        "exec",
        "nohup",
        "setsid",
        "command",
        "eval",
        "busybox",
        "sudo",
        "xargs",
        "nice",
        "timeout",
        "builtin",
        "runuser",
        "su",
        "setpriv",
    ]
)
_ARITHMETIC: Final = re.compile(r"\$\(\((?:[^()]|\([^()]*\))*\)\)")
_DUPLICATE: Final = re.compile(r"\d?[<>]&[\d-]")
_HERE_DOCUMENT: Final = re.compile(r"(?<!<)<<-?[\"']?(\w+)[\"']?\n.*?\n\s*\1\n", re.DOTALL)
_ASSIGNMENT: Final = re.compile(r"\w+=")
_REDIRECTION: Final = re.compile(r"\d?>{1,2}\|?(?P<target>[^>]*)")
PROCESS: Final = re.compile(r"(?P<what>/(?:cmdline|exe)\b|\bwords=(?!'')\S+)")
LOOKS_LIKE_SHELL: Final = re.compile(r"\$\(|\$\{?[A-Za-z_@1-9]|\bfi\b|; then|; do\b|\|\| |&& |\b2>")


def code_of(text: str) -> str:
    """Return shell without comments and without what stands in quotes, but with what is run inside them."""
    text = _HERE_DOCUMENT.sub("\n", text)
    code: list[str] = []
    quotes, depth, at = list[int](), 0, 0
    while at < len(text):
        here, pair = text[at], text[at : at + 2]
        is_quoted = bool(quotes) and quotes[-1] == depth
        if here == "\\":
            code.append("_")
            at += 2
            continue
        if here == '"':
            if is_quoted:
                quotes.pop()
            else:
                quotes.append(depth)
            code.append('"')
        elif pair == "$(" and text[at : at + 3] != "$((" and quotes:
            depth += 1
            code.append("$(")
            at += 1
        elif here == ")" and quotes and not is_quoted and depth:
            depth -= 1
            code.append(")")
        elif not is_quoted and here == "'":
            end = text.find("'", at + 1) % (len(text) + 1)  # unclosed: to the end
            inner = text[at + 1 : end]
            code.append(f"\n{code_of(inner)}\n: " if _is_script(code, inner) else "''")
            at = end
        elif not is_quoted and here == "#" and (at == 0 or text[at - 1] in " \t\n;("):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end - 1
        elif is_quoted:
            code.append(here if here in "$@{}" or here.isalnum() or here == "_" else ".")
        else:
            code.append(here)
        at += 1
    return "".join(code)


def _is_script(before: list[str], inner: str) -> bool:
    """Return whether a quoted text is run by a shell: the argument of `sh -c` or of a verb that takes a script."""
    line = "".join(before).rpartition("\n")[2]
    return bool(re.search(r"\bas_owner\b|\bsh -c\b|\beval\b|\btrap\b", line)) and bool(inner.strip())


def commands_of(code: str) -> Iterator[list[str]]:
    """Yield the words of each simple command; a pattern of `case` is none."""
    parts = [*_SEPARATOR.split(_DUPLICATE.sub("", _ARITHMETIC.sub("0", code)).replace(">|", ">")), ""]
    opened, alternatives, follows = list[bool | None](), list[list[str]](), False
    for text, separator in zip(parts[::2], parts[1::2], strict=True):
        words = [":", *text.split()] if follows else text.split()
        follows = False
        if separator in ("(", "$("):
            is_assigned = all(_ASSIGNMENT.match(word) for word in words) and text[-1:] in "=\"'"
            opened.append(None if separator == "(" else is_assigned)
        is_pattern = separator == ")" and not opened
        if separator == ")" and opened:
            is_assigned_to = opened.pop()
            follows = is_assigned_to is not None and not (is_assigned_to and _begins_a_command(parts, text))
        alternatives.append(words)
        if is_pattern:
            alternatives.clear()
        if separator != "|":
            yield from alternatives
            alternatives.clear()


def _begins_a_command(parts: list[str], text: str) -> bool:
    """Return whether what stands after a substitution that is assigned is a command: there is a space before it."""
    after = parts[parts.index(text) + 2] if text in parts and parts.index(text) + 2 < len(parts) else ""
    return after[:1] == " "


def judge(words: list[str]) -> Iterator[str]:
    """Yield what a simple command does that only the files of trust may do."""
    for number, word in enumerate(words):
        redirected = _REDIRECTION.fullmatch(word)
        target = redirected and (redirected["target"] or next(iter(words[number + 1 :]), ""))
        if target and target != "/dev/null":
            yield f"> {target}"
        if word in ("-exec", "-execdir", "-ok"):
            yield from judge(words[number + 1 :])
    left = list(words)
    while left and (left[0] in _KEYWORDS or _ASSIGNMENT.match(left[0]) or _REDIRECTION.fullmatch(left[0])):
        left.pop(0)
    if not left or left[:2] == ["command", "-v"]:
        return
    if left[0] in _PREFIXES:
        rest = left[1:]
        while rest and (rest[0].startswith("-") or rest[0].isdigit()):
            rest.pop(0)
        yield from judge(rest)
    elif left[0].rpartition("/")[2] in ACTS:
        yield from () if "--help" in left else left[:1]
    elif re.match(r'"?\$(?!@|\{?limit\b)', left[0]):
        yield left[0]


def findings(text: str, *, trusts: bool) -> Iterator[str]:
    """Yield what shell does that only the files of trust may do."""
    code = code_of(text)
    for words in commands_of(code):
        yield from judge(words)
    if not trusts:
        yield from (match["what"] for match in PROCESS.finditer(text))


def shell_in(file: Path) -> Iterator[str]:
    """Yield the shell that a file holds; docstrings are for readers."""
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".py":
        yield text
        return
    tree = ast.parse(text)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {id(node.body[0].value) for node in ast.walk(tree)
            if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    docs |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    values = (_text_of(node) for node in ast.walk(tree) if id(node) not in docs | parts)
    yield from (value for value in values if "\n" in value.strip() and LOOKS_LIKE_SHELL.search(value))


def _text_of(node: ast.AST) -> str:
    """Return the text of a literal; what is put into an f-string stands there as a word."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text_of(part) or "WORD" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def files() -> list[str]:
    """Return every file of the product that may hold shell, but for those of trust."""
    found = (
        path for package in PACKAGES for kind in ("*.sh", "*.awk", "*.py") for path in (CHECKOUT / package).rglob(kind)
    )
    return sorted(name for path in found if (name := path.relative_to(CHECKOUT).as_posix()) not in TRUST)


def all_findings(name: str) -> list[str]:
    """Return what a file does that only the files of trust may do."""
    texts = list(shell_in(CHECKOUT / name))
    trusts = any("trusted_process" in text for text in texts)
    found = (one for text in texts for one in findings(text, trusts=trusts))
    return [one for one in found if one not in OWN_TEXT.get(name, ())]


@pytest.mark.parametrize("name", files())
def test_shell_outside_trust_changes_files_only_by_its_verbs(name: str) -> None:
    assert all_findings(name) == []


def test_arguments_of_processes_come_from_trust_and_are_judged_first() -> None:
    texts = {name: "\n".join(shell_in(CHECKOUT / name)) for name in files()}
    asking = {name for name, text in texts.items() if "trusted_process" in text}
    assert asking == {"audit/host/shell/services.sh", "remediate/hosts/shell/services/daemon.sh"}
    assert all("trusted_words" in texts[name] for name in asking)


def test_every_file_of_trust_is_loaded() -> None:
    assert {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / VERBS).parent.iterdir()} == set(TRUST)


@pytest.mark.parametrize("name", TRUST)
def test_only_the_verbs_of_trust_change_files(name: str) -> None:
    found = set(findings((CHECKOUT / name).read_text(encoding="utf-8"), trusts=True))
    changes = {one for one in found if one in ACTS or one.startswith("> ")}
    assert bool(changes) == (name == VERBS), changes


def test_every_exempt_text_is_still_in_use() -> None:
    for name, words in OWN_TEXT.items():
        text = (CHECKOUT / name).read_text(encoding="utf-8")
        assert [one for one in words if one not in text] == []


@pytest.mark.parametrize(
    "text",
    [
        "chmod 600 x",
        "a && rm -rf x",
        "x=$(mktemp); mv -fT a b",
        'x="$(cp a b)"',
        "if mkdir -p /x; then :; fi",
        "! rmdir x",
        "find . -exec shred -u {} +",
        "xargs -0 chown 0",
        "$limit ln -s a b",
        "timeout 5 install a b",
        "/bin/rm x",
        "echo a >b",
        "echo a >>b",
        'cat >"$file"',
        "exec 9>>lock",
        ": >x",
        "a 2>said",
        "echo a >| b",
        '"$bin" -t',
        "$bin -t",
        'x=$("$program" -V)',
        "$limit $bin -V",
        "as_owner /d 'rm \"$1\"' x",
        "sh -c 'echo >x'",
        "cat /proc/1/cmdline",
        "words=$(cat x)",
        "x=$(cat y) rm z",
        'readlink "/proc/$1/exe"',
        "env A=b chmod 1 x",
        'say "$(date >x)"',
        "trap 'rm x' EXIT",
    ],
)
def test_scan_finds_commands_that_change_files(text: str) -> None:
    assert list(findings(text, trusts=False))


@pytest.mark.parametrize(
    "text",
    [
        "remove_file x",
        "write_file 600 x <y",
        'run_trusted "$bin" -t',
        "a 2>&1 >&3 3>&- </dev/null >/dev/null 2>/dev/null",
        'echo "rm is not run" # rm x',
        "sed 's/^/> /'",
        'sed "s/^/> /"',
        "# mv a b",
        '$limit stat -c %a "$1"',
        'for x in "$@"; do :; done',
        "case $x in rm) ;; esac",
        'echo "cannot mkdir: >x"',
        "[ $((a > b)) = 1 ]",
        '"$@" 2>&1',
        'x=$(cat y)"$z"',
        'case $x in "$a" | "$b") ;; esac',
        "cp --help | grep -q x",
        'printf "%s" "$words"',
        "x=$1 y=$2",
        'trusted_path "$bin"',
        "as_owner /d 'remove_file \"$1\"' x",
    ],
)
def test_scan_accepts_commands_that_change_nothing(text: str) -> None:
    assert list(findings(text, trusts=False)) == []
