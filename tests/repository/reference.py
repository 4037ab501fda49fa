"""The pages of docs/reference, made of the code: `python -m tests.repository.documents` writes them.

A description is the comment at the end of the line that declares a field or sets the key of a row, or above it. A
property has its docstring, an option its help.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import io
import re
import tokenize
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from audit.config import Secret
from audit.config.schema import (
    CertificateTransparency,
    Configuration,
    ExtensionNames,
    Fetch,
    Fleet,
    HostSettings,
    LoginKeys,
    Probe,
    ServiceSettings,
)
from audit.endpoint import Endpoint
from audit.evaluation import observation_row
from audit.evaluation.result import Result, WaiverNote
from audit.evaluation.run import AuditRun
from audit.evaluation.waivers import Waiver
from audit.observation import Handshake, HostView, Observation
from audit.policy import Policy, Thresholds
from audit.policy.profile_file import PROFILE_KEYS
from audit.x509.certificate import Certificate
from audit.x509.path.served_chain import Chain
from pytest_sslaudit import fixtures, plugin
from pytest_sslaudit.cli import checkallsslcerts, program
from pytest_sslaudit.cli.timer_files import Machine
from pytest_sslaudit.controller import hooks
from pytest_sslaudit.evidence import run_evidence
from pytest_sslaudit.remediation import result_rows
from pytest_sslaudit.reports.totals import EXIT_STATUSES
from remediate.challenges import SOLVERS, SolverConfig
from remediate.cli.main import parser as repair_parser
from remediate.issuers import ISSUERS, IssuerConfig
from remediate.model.options import RemediateConfig
from remediate.notify.channels import CHANNELS, MAIL_SYSTEMS, ChannelConfig
from remediate.notify.channels.base import MailConfig
from tests.support.checkout import CHECKOUT

FOLDER: Final = CHECKOUT / "docs" / "reference"
NOTE: Final = "This page is made of the code. Do not edit it: `python -m tests.repository.documents` writes it.\n"


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A row of a table: the name, further cells, and the description."""

    name: str
    cells: tuple[str, ...]
    text: str


def table(heads: tuple[str, ...], entries: Iterator[Entry]) -> str:
    """Return a Markdown table."""
    rows = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for entry in entries:
        cells = (f"`{entry.name}`", *entry.cells, f"{entry.text[:1].upper()}{entry.text[1:].removesuffix('.')}")
        rows.append("| " + " | ".join(cell.replace("|", "&#124;") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


@cache
def _parsed(module: ModuleType) -> tuple[ast.Module, Mapping[int, str]]:
    """Return the syntax tree of a module, and the comment of each line: at its end, or above it."""
    source = inspect.getsource(module)
    comments: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        text = token.string.lstrip("# ")
        if token.type == tokenize.COMMENT and not text.startswith(("noqa", "type:", "fmt:")):
            is_alone = token.line.lstrip().startswith("#")
            comments.setdefault(token.start[0] + is_alone, text)
    return ast.parse(source), comments


def _class_node(kind: type) -> tuple[ast.ClassDef, Mapping[int, str]]:
    module = inspect.getmodule(kind)
    assert module is not None
    tree, comments = _parsed(module)
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__), comments


def comments_of(kind: type) -> dict[str, str]:
    """Return the description of each field that a class and its bases declare, by name."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.partition(".")[0] not in ("audit", "pytest_sslaudit", "remediate"):
            continue
        node, comments = _class_node(base)
        for statement in node.body:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            target = statement.target if isinstance(statement, ast.AnnAssign) else next(iter(targets), None)
            if isinstance(target, ast.Name) and not target.id.startswith("_"):
                texts[target.id] = comments.get(statement.lineno, "")
    return texts


def row_keys(module: ModuleType, function: str) -> dict[str, str]:
    """Return the keys of the rows that a function makes, with the comment of each: of dictionaries and keywords."""
    tree, comments = _parsed(module)
    (node,) = (item for item in ast.walk(tree) if isinstance(item, ast.FunctionDef) and item.name == function)
    keys: dict[str, str] = {}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Dict):
            named = [key for key in inner.keys if isinstance(key, ast.Constant)]
            keys |= {str(key.value): comments.get(key.lineno, "") for key in named}
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr in _WRITERS:
            keys |= {word.arg: comments.get(word.value.lineno, "") for word in inner.keywords if word.arg}
    return keys


_WRITERS: Final = ("write", "close")


def _words(kind: Any) -> str:  # noqa: ANN401 - any annotation
    """Return what a value of that type is in a TOML file."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return " or ".join(f'`"{value}"`' for value in arguments)
    if type(None) in arguments:
        return _words(next(item for item in arguments if item is not type(None)))
    if origin is tuple:
        return f"list of {_words(arguments[0])}s"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "table"
    return _NAMES_OF_TYPES.get(kind, "table" if dataclasses.is_dataclass(kind) else "value")


_NAMES_OF_TYPES: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    date: "date",
    Fraction: "fraction",
    Secret: "reference to a secret",
}


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if value is dataclasses.MISSING:
        return "required" if field.default_factory is dataclasses.MISSING else ""
    if value in (None, ()):
        return ""
    shown = str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
    return f"`{shown}`"


def keys(kind: type, *, but: tuple[str, ...] = ()) -> Iterator[Entry]:
    """Yield the keys of a section of the configuration, without those that have another name in `but`."""
    texts, hints = comments_of(kind), typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name not in but:
            yield Entry(field.name.rstrip("_"), (_words(hints[field.name]), _default(field)), texts.get(field.name, ""))


KEYS: Final = ("key", "value", "default", "meaning")
_TABLES: Final = (
    "file", "probe", "login", "fetch", "ct", "fleet", "host", "service", "extensions", "reports", "handed_on",
)  # fmt: skip
"""The fields of the configuration that have a table of their own, or are not keys."""


def configuration_page() -> str:
    """Return the page of the configuration file."""
    about = (
        "`sslaudit.toml`, or `[tool.sslaudit]` in `pyproject.toml`. All keys are optional unless *required* stands "
        "there. A path is relative to the file. [usage.md](../usage.md#the-configuration-file) has examples.\n"
    )
    parts = ["# The configuration file\n", NOTE, about]
    parts += [table(KEYS, keys(Configuration, but=_TABLES))]
    for title, kind, but in _sections():
        parts += [f"## {title}\n", f"{_about(kind)}\n", table(KEYS, keys(kind, but=but))]
    policy = (Entry(name, (), text) for name, text in PROFILE_KEYS.items())
    parts += ["## A policy file\n", "[policies.md](../policies.md) has examples.\n", table(("key", "meaning"), policy)]
    parts += ["## [reports]\n", '`NAME = "FILE"` for each report, as `--audit-report=NAME=FILE`.\n']
    return "\n".join(parts)


def _about(kind: type) -> str:
    """Return what a section is for: the first sentence of its docstring, without its own name."""
    text = re.sub(r"^`[^`]*`(?: of the kind| with)?:? *", "", _sentence(kind)).partition(". ")[0].removesuffix(".")
    return f"{text[:1].upper()}{text[1:]}."


def _sections() -> Iterator[tuple[str, type, tuple[str, ...]]]:
    """Yield the title of each section, its class, and the keys that another section lists."""
    yield from (
        ("[probe]", Probe, ()),
        ("[login]", LoginKeys, ()),
        ("[fetch]", Fetch, ()),
        ("[ct]", CertificateTransparency, ()),
        ("[fleet]", Fleet, ()),
    )
    yield from (('[host."GLOB"]', HostSettings, ()), ("[[service]]", ServiceSettings, ()))
    yield from (("[extensions]", ExtensionNames, ()), ("[remediate]", RemediateConfig, ()))
    tables = (
        ("issuer", IssuerConfig, ISSUERS), ("solver", SolverConfig, SOLVERS), ("notify", ChannelConfig, CHANNELS),
    )  # fmt: skip
    for section, base, kinds in tables:
        shared = tuple(field.name for field in dataclasses.fields(base))
        yield f"[{section}.NAME]", base, ()
        yield from ((f'[{section}.NAME] with kind = "{name}"', kind, shared) for name, kind in kinds.items()
                    if len(dataclasses.fields(kind)) > len(shared))  # fmt: skip
    shared = tuple(field.name for field in dataclasses.fields(MailConfig))
    yield "[mail]", MailConfig, ()
    yield "[mail] with the URL of a mail server", MAIL_SYSTEMS["smtp"], shared
    yield "A reference to a secret", Secret, ()
    yield "The waivers file: [[waiver]]", Waiver, ()
    yield "[thresholds] of a policy file", Thresholds, ()


def options_page() -> str:
    """Return the page of the options of all programs."""
    parts = ["# Options\n", NOTE, "## pytest --pyargs audit\n"]
    given = (
        Entry(f"--audit-{flag}={metavar}", ("yes" if repeatable else "",), text)
        for flag, metavar, repeatable, text in plugin.OPTIONS
    )
    parts += [table(("option", "repeatable", "meaning"), given)]
    parts += [table(("switch", "meaning"), (Entry(f"--{flag}", (), text) for flag, text in plugin.SWITCHES))]
    for name, parser in _programs():
        about = parser.description or ""
        parts += [f"## {name}\n", *([f"{about[0].upper()}{' '.join(about[1:].split())}\n"] if about else [])]
        if found := list(_arguments(parser)):
            parts += [table(("argument", "meaning"), iter(found))]
    return "\n".join(parts)


def _programs() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield each command with its parser."""
    yield "checkallsslcerts", checkallsslcerts._parser()
    for top in (program._parser(Machine()), repair_parser("sslaudit repair")):
        for action in top._actions:
            if isinstance(action, argparse._SubParsersAction):
                helps = {choice.dest: choice.help for choice in action._choices_actions}
                for name, parser in action.choices.items():
                    if name == "repair":
                        continue
                    parser.description = parser.description or f"{helps[name]}."
                    yield f"{top.prog} {name}", parser


def _arguments(parser: argparse.ArgumentParser) -> Iterator[Entry]:
    for action in parser._actions:
        if action.dest in ("help", "version"):
            continue
        value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
        name = f"{', '.join(action.option_strings)}{value}" if action.option_strings else str(action.dest).upper()
        yield Entry(name, (), (action.help or "").replace("%%", "%"))


def statuses_page() -> str:
    """Return the page of the exit statuses."""
    rows = (Entry(str(status), (), text) for status, text in EXIT_STATUSES.items())
    later = Entry(str(checkallsslcerts.TRY_LATER), (), "another run is in progress, and nothing was done")
    about = (
        "`pytest --pyargs audit`, `checkallsslcerts` and `sslaudit` have the same statuses. "
        "[Verdicts](../usage.md#verdicts-and-exit-status) lead to 0, 1 or 3.\n"
    )
    parts = ["# Exit statuses\n", NOTE, about, table(("status", "meaning"), rows)]
    return "\n".join([*parts, "`checkallsslcerts` also has:\n", table(("status", "meaning"), iter((later,)))])


ROWS: Final[tuple[tuple[str, str, Callable[[], Mapping[str, str]]], ...]] = (
    ("run", "The first line.", lambda: row_keys(hooks, "_write_head")),
    ("evidence of a run", "`evidence` in the first line.", lambda: row_keys(run_evidence, "row")),
    ("observation", "A line for each host and endpoint.", lambda: row_keys(observation_row, "observation_row")),
    ("chain", "A member of `chains`.", lambda: row_keys(observation_row, "_chain_row")),
    ("certificate", "A member of `certificates` and `chain`.", lambda: row_keys(observation_row, "_certificate_row")),
    ("file", "A member of `installed`.", lambda: row_keys(observation_row, "_file_row")),
    ("failure", "`failure` of an observation.", lambda: row_keys(observation_row, "_failure_row")),
    ("result", "A line for each check of each endpoint.", lambda: comments_of(Result)),
    ("waiver", "`waiver` of a result.", lambda: comments_of(WaiverNote)),
    ("remediation", "A line for each endpoint of a repaired certificate.",
     lambda: row_keys(result_rows, "remediation_rows")),
    ("step", "A member of `steps`.", lambda: row_keys(result_rows, "_step")),
    ("summary", "The last line. Without it the run did not end.", lambda: row_keys(hooks, "pytest_sessionfinish")),
)  # fmt: skip
"""The rows of the results file and their parts: title, what it is, and its fields."""


def results_page() -> str:
    """Return the page of the fields of the results file."""
    about = (
        "`--audit-results=FILE` writes one JSON object on each line; `kind` is `run`, `observation`, `result`, "
        "`remediation` or `summary`. If the name ends in `.gz`, the file is one gzip stream; a run that is killed "
        "loses less than 64 KiB of text. Times are RFC 3339 in UTC, digests are SHA-256 in lower-case hexadecimal "
        "digits. "
        "Later versions may add fields.\n"
    )
    parts = ["# Fields of the results\n", NOTE, about]
    for title, what, fields in ROWS:
        rows = (Entry(name, (), text) for name, text in fields().items())
        parts += [f"## {title}\n", f"{what}\n", table(("field", "meaning"), rows)]
    return "\n".join(parts)


FIXTURE_TYPES: Final = (Endpoint, Observation, Handshake, Certificate, Chain, HostView, Policy, AuditRun)
"""The types of the fixtures with attributes of their own."""


def fixtures_page() -> str:
    """Return the page of the fixtures and their attributes."""
    shown = [name for name in fixtures.FACTS if name != "sslaudit_facts"]
    rows = (Entry(name, (_annotation(name),), _sentence(_fixture(name))) for name in shown)
    parts = ["# Fixtures\n", NOTE, "[own-checks.md](../own-checks.md) shows how a test uses them.\n",
             table(("fixture", "type", "meaning"), rows)]  # fmt: skip
    for kind in FIXTURE_TYPES:
        parts += [f"## {kind.__name__}\n", f"{_sentence(kind)}\n", table(("attribute", "meaning"), attributes(kind))]
    return "\n".join(parts)


def _fixture(name: str) -> Any:  # noqa: ANN401 - a fixture definition of pytest
    return inspect.unwrap(getattr(fixtures, name)._get_wrapped_function())


def _annotation(name: str) -> str:
    return f"`{inspect.signature(_fixture(name)).return_annotation}`"


def _sentence(value: object) -> str:
    return re.sub(r"^Return ", "", " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split()))


def attributes(kind: type) -> Iterator[Entry]:
    """Yield the public fields, properties and methods of a class."""
    yield from (Entry(name, (), text) for name, text in comments_of(kind).items())
    for name, member in vars(kind).items():
        function = getattr(member, "fget", None) or getattr(member, "func", None)
        if not name.startswith("_") and (function or inspect.isfunction(member)):
            call = "" if function else "(" + ", ".join([*inspect.signature(member).parameters][1:]) + ")"
            yield Entry(f"{name}{call}", (), _sentence(function or member))


PAGES: Final[Mapping[Path, Callable[[], str]]] = {
    FOLDER / "configuration.md": configuration_page,
    FOLDER / "options.md": options_page,
    FOLDER / "exit-statuses.md": statuses_page,
    FOLDER / "results.md": results_page,
    FOLDER / "fixtures.md": fixtures_page,
}
"""The function that returns each page."""


def without_text(page: str) -> list[str]:
    """Return the rows of tables whose last cell is empty."""
    return [line for line in page.splitlines() if re.search(r"\|\s*\|$", line)]
