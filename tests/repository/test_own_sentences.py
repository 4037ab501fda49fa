"""No code reads what was written for people: what code needs travels as data, and the sentence is made at the end.

Two nets, both over the source. Texts of others (logs, certificates, what programs and servers print) are read with
regular expressions: the modules that do so are listed, each with whose text it is. And the fields that hold our own
sentences are never taken apart, searched or compared.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.repository.test_imports import imported, named, sources

EVERY: Final = (*sources("remediate"), *sources("pytest_sslaudit"), *sources("audit"))
READ_WITH_PATTERNS: Final = {
    "at_queue.py": "what at and atq print",
    "audit_results.py": "names of files of evidence, and endpoint ids",
    "base.py": "values that are sent to an issuer",
    "clients.py": "user agents in access logs",
    "selection.py": "words of an expression of -k",
    "cpanel_run.py": "/proc",
    "csr.py": "PEM that openssl printed",
    "daemon.py": "names of processes",
    "email_message.py": "a host's name for a Message-ID",
    "observations.py": "names of files of evidence",
    "host_key.py": "host names",
    "http.py": "tokens and headers",
    "http_probe.py": "headers of an HTTP response",
    "parser.py": "lines of access logs",
    "recipients.py": "addresses in files of a host",
    "secret_scan.py": "secrets in any text",
    "sendmail.py": "line ends of a message",
    "service_files.py": "paths of a panel",
    "service_log.py": "what daemons have logged",
    "smtp.py": "lines of SMTP, and host names",
    "store_responses.py": "an id that the Store sent",
    "switch.py": "the records of a switch, which its script writes in columns",
    "timer_units.py": "a time of day as the user gives it, and words for systemd and cron",
    "timestamps.py": "times in access logs",
    "tlsa.py": "endpoint ids",
    "try_later.py": "what the panel's program and our script around it print",
    "versions.py": "paths and names of versions",
    "workdir.py": "case ids",
}
"""The modules of the repair and the plugin that may use regular expressions, by name, and whose text they read."""

SENTENCES: Final = frozenset(
    {"advice", "because", "detail", "happened", "message", "note", "notes", "reason", "text", "to_do", "tried", "why"}
)
"""The fields that hold sentences for people."""
VARIABLES: Final = frozenset({"clause", "message", "note", "sentence", "why"})
TAKE_APART: Final = frozenset(
    {"count", "endswith", "find", "index", "partition", "removeprefix", "removesuffix", "rfind", "rindex", "rpartition",
     "rsplit", "split", "startswith"}
)  # fmt: skip
MATCH: Final = frozenset({"findall", "finditer", "fullmatch", "match", "search", "split", "sub"})

NOT_OURS: Final = {
    "result.check in profile.notes": "the check ids for which a policy has notes",
    "event.detail.split()": "two columns of a record that a switch wrote: a service and seconds",
    "'because' in result.detail": "a key of the detail, which is a mapping",
    "'because' not in result.detail": "as above",
    "self.why.startswith('process ')": "decides nothing but whether a sentence says its subject already",
    "_LONG.sub(lambda match: shortened(match[0], MAX_QUOTED), message)": "cuts quotations",
    "_METHOD.match(token.text)": "a part of a line of an access log",
    "token.text.partition(',')": "as above",
    "section.text.partition('-----BEGIN')": "what a host printed",
    "'ermission denied' not in section.text": "as above",
    "re.search(pattern, section.text)": "as above",
    "re.findall('^\\\\*(\\\\S+)$', section.text, re.MULTILINE)": "as above",
    "(plain or section).text.split()": "as above",
    "'(nf_tables)' in section.text": "as above",
    "_HOOKED.search(plain.text)": "as above",
    "re.findall('^\\\\d+:\\\\s+(\\\\S+)\\\\s+inet6?\\\\s+([^/\\\\s]+)', "
    "sections.get('addresses', Section('')).text, re.MULTILINE)": "as above",
    "section.text.split()": "as above",
}
"""Expressions that look like one of our sentences being read and are not, with what they read."""


def test_modules_with_regular_expressions_are_listed_with_their_text() -> None:
    files = (*sources("remediate"), *sources("pytest_sslaudit"))
    using = {file.name for file in files if "re" in imported(file)}
    assert using - READ_WITH_PATTERNS.keys() == set(), "whose text is read? Never a sentence of ours: give it a field"


@pytest.mark.parametrize("file", named(EVERY))
def test_no_sentence_for_people_is_parsed_searched_or_compared(file: Path) -> None:
    assert read_in(file) - NOT_OURS.keys() == set()


def read_in(file: Path) -> set[str]:
    """Return the expressions of a file that read what may be a sentence of ours."""
    return {ast.unparse(node) for node in readings(ast.parse(file.read_text(encoding="utf-8")))}


def readings(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield each expression that reads a sentence: takes it apart, matches it, looks into it or compares it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            is_apart = node.func.attr in TAKE_APART and is_sentence(node.func.value)
            is_matched = node.func.attr in MATCH and any(map(is_sentence, node.args)) and not is_of_bytes(node)
            if is_apart or is_matched:
                yield node
        elif isinstance(node, ast.Compare) and is_read_by(node.ops[0], node.left, node.comparators[0]):
            yield node


def is_of_bytes(call: ast.Call) -> bool:
    """Return whether a pattern is one of bytes: network data is not a sentence of ours."""
    first = call.args[0]
    return isinstance(first, ast.Constant) and isinstance(first.value, bytes)


def is_read_by(operator: ast.cmpop, left: ast.expr, right: ast.expr) -> bool:
    """Return whether a comparison looks into a sentence, or compares one with a text or a constant of the module."""
    if isinstance(operator, ast.In | ast.NotIn):
        return is_sentence(right)
    return (is_sentence(left) and is_text(right)) or (is_sentence(right) and is_text(left))


def is_text(node: ast.expr) -> bool:
    """Return whether an expression is a text that is not empty, or the name of a constant."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value != ""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Name) and node.id.isupper())


def is_sentence(node: ast.expr) -> bool:
    """Return whether an expression is one of our sentences by its name, or is made of one by `str` and the like."""
    match node:
        case ast.Attribute(attr=name):
            return name in SENTENCES
        case ast.Name(id=name):
            return name in VARIABLES
        case ast.Call(func=ast.Attribute(value=value, attr="strip" | "lower" | "casefold" | "encode")):
            return is_sentence(value)
        case ast.Call(func=ast.Name(id="str"), args=[value]):
            return is_sentence(value)
    return False


@pytest.mark.parametrize(
    "code",
    [
        "PATTERN.fullmatch(last.note)", "re.match('x', clause)", "one.note.startswith('dns.tlsa: ')",
        "note.removeprefix(TO)", "'no openssl' in file.detail", "first.reason != NO_POST", "str(why).partition(': ')",
        "waiting.because == 'no issuer is chosen'", "event.note.strip().split('; ')", "one.message == f'{a}: {b}'",
    ],
)  # fmt: skip
def test_scan_finds_code_that_reads_a_sentence(code: str) -> None:
    assert [ast.unparse(node) for node in readings(ast.parse(code))] == [ast.unparse(ast.parse(code))]


@pytest.mark.parametrize(
    "code",
    ["line.startswith('ended ')", "event.note == ''", "ending.cause is Cause.RUN_BUG", "note.splitlines()",
     "first.message == second.message", "moment.state in TERMINAL", "re.sub(b'x', b'y', envelope.message)"],
)  # fmt: skip
def test_scan_accepts_code_that_reads_no_sentence(code: str) -> None:
    assert list(readings(ast.parse(code))) == []
