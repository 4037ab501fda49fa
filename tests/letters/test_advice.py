"""Every word that names a cause somewhere in the repair has a sentence that says what to do now."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Literal, get_args, get_origin

import pytest

from audit.checks import Check, check_of
from audit.probe.dns.trace import TraceFault
from remediate.advice import ADVICE, advice
from remediate.dcv.validator import Verdict
from remediate.explanation import Kind
from remediate.issuers.issuer import FaultKind, Status
from remediate.obstacle import _OBSTACLES
from tests.test_imports import sources

WORD = re.compile(r"[a-z]+\.[a-z]+(-[a-z]+)*")
FAMILIES = {"dcv.": (Verdict,), "issuer.": (Status, FaultKind), "dns.": (TraceFault,)}
"""Causes that are put together: what stands before the value, and the values."""


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield every place in the repair where a case is said to be stuck or ended, with the file's name.

    A constant of the file stands there by its value.
    """
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in sources("remediate")}
    assigned = (node for tree in trees.values() for node in tree.body if isinstance(node, ast.AnnAssign))
    constants = {ast.unparse(node.target): node.value for node in assigned if ast.unparse(node.target).isupper()}
    for file, tree in trees.items():
        own = (node for node in tree.body if isinstance(node, ast.AnnAssign))
        known = constants | {ast.unparse(node.target): node.value for node in own}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Stuck", "Ending"):
                node.args = [known.get(ast.unparse(one)) or one for one in node.args]
                yield file.name, node


def causes_of(call: ast.Call) -> Iterator[str]:
    """Yield the causes that a place may name."""
    for value in [*call.args, *(keyword.value for keyword in call.keywords)]:
        if isinstance(value, ast.Constant) and WORD.fullmatch(str(value.value)):
            yield str(value.value)
        if isinstance(value, ast.JoinedStr) and isinstance(value.values[0], ast.Constant):
            prefix = str(value.values[0].value)
            if len(value.values) == 2 and prefix in FAMILIES:
                yield from (f"{prefix}{word}" for kind in FAMILIES[prefix] for word in get_args(kind) if word != "good")


FOUND = sorted({(file, cause) for file, call in calls() for cause in causes_of(call)})


@pytest.mark.parametrize(("file", "cause"), FOUND)
def test_what_stops_a_case_says_what_to_do(file: str, cause: str) -> None:
    assert cause in ADVICE, f"{file} stops a case with {cause}, and remediate/advice.py has no row for it"


def test_the_places_are_found_and_each_names_a_cause_that_can_be_read() -> None:
    causes = {cause for _, cause in FOUND}
    assert {"dcv.blocked", "issuer.pending", "issuer.rejected", "issuer.busy", "host.locked", "run.canary"} <= causes
    silent = [(file, ast.unparse(call)) for file, call in calls() if not list(causes_of(call))]
    passed_on = ("why.cause", "'proven'", "(*", "last.step", "cause,")
    assert [one for one in silent if not any(word in one[1] for word in passed_on)] == []


@pytest.mark.parametrize("kind", get_args(Kind))
def test_what_is_explained_says_what_to_do(kind: str) -> None:
    assert get_origin(Kind) is Literal
    assert f"plan.{kind}" in ADVICE


def checks() -> Iterator[Check]:
    """Yield the checks of the audit."""
    from audit.checks import (  # noqa: PLC0415 - read here alone
        test_certificate,
        test_chain,
        test_dns,
        test_installed,
        test_key,
        test_names,
        test_protocol,
        test_reachability,
        test_run,
    )

    modules = (
        *(test_certificate, test_chain, test_dns, test_installed, test_key),
        *(test_names, test_protocol, test_reachability, test_run),
    )
    for module in modules:
        found = (check_of(one) for name, one in vars(module).items() if name.startswith("test_"))
        yield from (one for one in found if one)


def test_a_finding_that_makes_a_case_wait_says_what_to_do() -> None:
    kept = [beginning for beginning, _ in _OBSTACLES]
    ids = {one.id for one in checks() if one.id.startswith(tuple(kept))}
    assert {"dns.not-this-host", "svc.unreachable", "cert.not-yet-valid"} <= ids
    nothing_known = advice("no.such-cause")
    assert [one for one in sorted(ids) if advice(one) == nothing_known] == []


@pytest.mark.parametrize("cause", sorted(ADVICE))
def test_a_sentence_is_one_line_that_begins_with_what_to_do(cause: str) -> None:
    sentence = ADVICE[cause]
    assert sentence.isprintable()
    assert len(sentence) <= 160
    assert sentence[0].islower()
    assert not sentence.endswith(".")
