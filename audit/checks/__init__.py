"""The checks of the audit, and the decorator that declares one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from audit.verdict import Remedy, Severity

Function = TypeVar("Function", bound=Callable[..., None])
Scope = Literal["endpoint", "host", "run"]
MARK = "__sslaudit_check__"
_ID = re.compile(r"[a-z]+\.[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Check:
    """The declaration of a check; `scopes` are the kinds of thing it is evaluated for.

    `controls` are those of an owner's own check: `audit.policy.controls` has those of the built-in ones.
    """

    id: str
    severity: Severity
    remedy: Remedy
    source: str
    scopes: tuple[Scope, ...] = ("endpoint",)
    controls: tuple[str, ...] = ()


def check(  # noqa: PLR0913 - all but one by keyword
    check_id: str,
    *,
    severity: str,
    remedy: str = "manual",
    source: str = "",
    scopes: tuple[Scope, ...] = ("endpoint",),
    controls: Sequence[str] = (),
) -> Callable[[Function], Function]:
    """Mark a test function as the check of that id; raises ValueError if the id, severity or remedy is invalid."""
    if not _ID.fullmatch(check_id):
        raise ValueError(f"check id {check_id!r}: write group.name in lower-case letters, digits and hyphens")
    mark = Check(check_id, Severity(severity), Remedy(remedy), source, scopes, tuple(controls))

    def decorate(function: Function) -> Function:
        setattr(function, MARK, mark)
        return function

    return decorate


def check_of(function: object) -> Check | None:
    """Return the declaration of a check, or None if the function is not marked with `@check`."""
    return getattr(function, MARK, None)
