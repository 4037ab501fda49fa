"""Tests of causes: each is a member with an advice, and each word that code composes is a member."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Final, get_args

import pytest

from audit.probe.dns.iterative import TraceFault
from remediate.challenges.base import Verdict
from remediate.execution.steps.download import FAILED_ORDERS
from remediate.issuers.base import FaultKind, OrderStatus
from remediate.model.causes import Cause, cause_of_check, recorded_cause
from remediate.model.plan import Kind
from remediate.planning.blockers import _PREVENTS
from tests.repository.documents import checks
from tests.repository.test_imports import sources

COMPOSED: Final = {
    "dcv": {*get_args(Verdict)} - {"good"},
    "dns": {*get_args(TraceFault)},
    "issuer": {*get_args(FaultKind)},
    "plan": {*get_args(Kind)},
}
"""Causes that are put together: the family, and the values that follow it."""
BLOCKING: Final = sorted(
    mark.id for mark, _ in checks() if any(mark.id.startswith(beginning) for beginning, _ in _PREVENTS)
)


@pytest.mark.parametrize("word", sorted(f"{family}.{value}" for family, values in COMPOSED.items() for value in values))
def test_composed_word_is_a_cause(word: str) -> None:
    assert Cause(word).value == word


def test_each_composed_cause_has_a_known_family() -> None:
    assert {family for _, family in composed()} == COMPOSED.keys()


def test_every_status_of_an_order_that_fails_has_a_cause() -> None:
    assert {*FAILED_ORDERS} == {*get_args(OrderStatus)} - {"valid"}


def composed() -> Iterator[tuple[str, str]]:
    """Yield each place that composes a cause: the name of its file, and the family."""
    for file in sources("remediate"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "Cause"
                and isinstance(node.args[0], ast.JoinedStr)
            ):
                first = node.args[0].values[0]
                yield file.name, str(first.value).removesuffix(".") if isinstance(first, ast.Constant) else ""


@pytest.mark.parametrize("check", BLOCKING)
def test_check_that_makes_a_case_wait_has_a_cause(check: str) -> None:
    assert cause_of_check(check).value == check


def test_checks_that_make_a_case_wait_are_found() -> None:
    assert {"dns.not-this-host", "svc.unreachable", "cert.not-yet-valid", "dcv.firewall"} <= {*BLOCKING}


@pytest.mark.parametrize(("check", "cause"), [("dns.corporate", Cause.DNS_OTHER), ("dcv.own", Cause.DCV_OTHER)])
def test_check_of_a_user_has_the_cause_of_its_family(check: str, cause: Cause) -> None:
    assert cause_of_check(check) is cause


def test_word_of_another_version_is_read_as_not_recorded() -> None:
    assert recorded_cause("dcv.missing") is Cause.DCV_MISSING
    assert recorded_cause("dcv.from-the-future") is Cause.RUN_NOT_RECORDED


def test_every_cause_is_used() -> None:
    files = (*sources("remediate"), *sources("pytest_sslaudit"))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files if file.name != "causes.py")
    named = {Cause[name] for name in re.findall(r"\bCause\.([A-Z_]+)\b", text)}
    made = {Cause(f"{family}.{value}") for family, values in COMPOSED.items() for value in values}
    own = {Cause.DCV_OTHER, Cause.DNS_OTHER, Cause.RUN_NOT_RECORDED}  # of `causes.py` itself
    older = {Cause.ISSUER_ISSUED}  # of journals of earlier versions
    assert set(Cause) - named - made - own - older - {Cause(check) for check in BLOCKING} == set()


def test_causes_of_version_1_are_causes_still() -> None:
    text = (files("remediate.state") / "migrations" / "0002_causes.sql").read_text("utf-8")
    known = re.findall(r"\('([a-z]+\.[a-z-]+)'\)", text)
    assert len(known) > 100
    assert [word for word in known if recorded_cause(word).value != word] == []


@pytest.mark.parametrize("cause", Cause)
def test_advice_is_one_line_that_begins_with_what_to_do(cause: Cause) -> None:
    assert cause.advice.isprintable()
    assert 0 < len(cause.advice) <= 160
    assert cause.advice[0].islower()
    assert not cause.advice.endswith(".")
