"""The checks of the audit, and the decorator that declares one."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeVar

from audit.policy.controls import control_names
from audit.verdict import Remedy, Severity

Function = TypeVar("Function", bound=Callable[..., None])
Scope = Literal["endpoint", "host", "run"]
MARK = "__sslaudit_check__"
_ID = re.compile(r"[a-z]+\.[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Check:
    """The declaration of a check.

    `scopes` are what it is evaluated for: the run, hosts, endpoints. `controls` are the names of the controls that a
    pass is evidence for.
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
    controls: Collection[str] = (),
) -> Callable[[Function], Function]:
    """Mark a test function as the check of that id; raises ValueError for an invalid id, severity, remedy or control.

    `controls` are ids of `audit.policy.controls`, or names with their book, such as `ISO 27001 A.8.24`.
    """
    if not _ID.fullmatch(check_id):
        raise ValueError(f"check id {check_id!r}: write group.name with a-z, 0-9 and hyphens")
    mark = Check(check_id, Severity(severity), Remedy(remedy), source, scopes, control_names(controls))

    def decorate(function: Function) -> Function:
        setattr(function, MARK, mark)
        return function

    return decorate


def check_of(function: object) -> Check | None:
    """Return the declaration of a check, or None if the function is not marked with `@check`."""
    return getattr(function, MARK, None)


def built_in_checks() -> tuple[Callable[..., None], ...]:
    """Return the functions of all built-in checks, module by module."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    modules = (importlib.import_module(f"{__name__}.{name}") for name in names)
    return tuple(value for module in modules for value in vars(module).values() if check_of(value) is not None)


@cache
def check_ids() -> frozenset[str]:
    """Return the ids of all built-in checks."""
    return frozenset(check.id for function in built_in_checks() if (check := check_of(function)))
