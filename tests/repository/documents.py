"""The generated pages: `python -m tests.repository.documents` writes docs/checks.md and docs/causes.md."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Final

from audit.checks import Check, built_in_checks, check_of
from audit.policy.controls import CONTROLS
from remediate.model.causes import Cause
from tests.support.checkout import CHECKOUT

PAGE: Final = CHECKOUT / "docs" / "checks.md"
HEAD: Final = """\
# The checks

{count} checks. Each is a pytest test of its own for each endpoint; one marked *host* is judged once for a host as a
whole, one marked *run* once for the run. A policy may give a check another severity, or leave it out. A fact that could
not be observed neither passes nor fails. The remedy is what usually fixes the finding; a result names another one where
the host shows that it would do.

Sources: BR are the CA/Browser Forum's Baseline Requirements for TLS server certificates. Controls: those of NIST SP
800-53 (rev. 5) and requirements of PCI DSS (v4.0.1) that a check bears on, listed [below](#the-controls); a pass is
evidence for one, and fulfils none alone.

| check | severity | remedy | what is required | source | controls |
|---|---|---|---|---|---|
"""
CONTROLS_HEAD: Final = """
## The controls

| control | title | source |
|---|---|---|
"""
CAUSES: Final = CHECKOUT / "docs" / "causes.md"
CAUSES_HEAD: Final = """\
# Causes

Why a certificate is not repaired: {count} stable words, each with what to do now. Reports, notifications, the results
file (`cause`), the plan as JSON (`blocked_by`) and the journal (`attempts.cause`) carry them; programs compare them, as
the sentences beside them may change. The ids of [checks](checks.md) that make a repair wait are causes too. `dcv.other`
and `dns.other` stand for checks of your own with such ids.

| cause | what to do now |
|---|---|
"""


def checks() -> Iterator[tuple[Check, Callable[..., None]]]:
    """Give every built-in check with its function, by id."""
    marked = ((check_of(function), function) for function in built_in_checks())
    yield from sorted(((mark, function) for mark, function in marked if mark), key=lambda pair: pair[0].id)


def page() -> str:
    """Return docs/checks.md as it ought to be."""
    rows = [_row(mark, function) for mark, function in checks()]
    controls = [_cells(control.name, control.title, control.source) for control in CONTROLS]
    return HEAD.format(count=len(rows)) + "".join(rows) + CONTROLS_HEAD + "".join(controls)


def causes_page() -> str:
    """Return docs/causes.md as it ought to be."""
    by_family = sorted(Cause, key=lambda cause: cause.family)
    rows = [_cells(f"`{cause}`", cause.advice) for cause in by_family]
    return CAUSES_HEAD.format(count=len(rows)) + "".join(rows)


def _row(mark: Check, function: Callable[..., None]) -> str:
    required = " ".join((inspect.getdoc(function) or "").split())
    also = " too" if "endpoint" in mark.scopes else ""
    scope = "".join(f" (*{scope}*{also})" for scope in mark.scopes if scope != "endpoint")
    controls = briefly(mark.controls)
    return _cells(f"`{mark.id}`{scope}", mark.severity.value, mark.remedy.value, required, mark.source, controls)


def briefly(controls: tuple[str, ...]) -> str:
    """Return names of controls with each catalogue named once: `NIST 800-53 SC-8, SC-17; PCI DSS 4.2.1`."""
    groups = groupby(controls, key=lambda name: name.rpartition(" ")[0])
    return "; ".join(f"{book} {', '.join(name.rpartition(' ')[2] for name in names)}" for book, names in groups)


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    CAUSES.write_text(causes_page(), encoding="utf-8")
