"""What makes a test function a check: id, severity, remedy and source; and the three ways it can end but by passing.

    Judgement
    ├── Finding        seen is not what is required           (also an AssertionError)
    ├── NotApplicable  the requirement does not concern this endpoint
    └── Inconclusive   it could not be told, and why

A plain `assert` in a check is a finding too. Any other exception is our own bug, and loud.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, NoReturn, TypeVar

Function = TypeVar("Function", bound=Callable[..., None])
Scope = Literal["endpoint", "host", "run"]
MARK = "__sslaudit_check__"
_ID = re.compile(r"[a-z]+\.[a-z0-9-]+")


class Severity(StrEnum):
    """How much a finding matters; ordered by `rank`."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info up to 4 for critical."""
        return _RANKS[self]


_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}


class Remedy(StrEnum):
    """What would mend a finding."""

    REISSUE = "reissue"
    REKEY = "rekey"
    RECHAIN = "rechain"
    RELOAD = "reload"
    CONFIGURE = "configure"
    DNS = "dns"
    HOST = "host"
    MANUAL = "manual"
    NONE = "none"


class Verdict(StrEnum):
    """How a check of an endpoint ended."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    WAIVED = "waived"
    NOT_APPLICABLE = "not-applicable"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Check:
    """What `@check` says of a test function; `scopes` are the kinds of thing it is judged for.

    `controls` are those of an owner's own check: `audit.controls` has those of the built-in ones.
    """

    id: str
    severity: Severity
    remedy: Remedy
    source: str
    scopes: tuple[Scope, ...] = ("endpoint",)
    controls: tuple[str, ...] = ()


def one_line(text: str) -> str:
    """Return a text on one line; what came from a server must not write to a terminal but as letters."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


class Judgement(Exception):
    """The end of a check that did not pass; `reason` is one line for a person."""

    def __init__(self, reason: str) -> None:
        """Keep the reason, on one line."""
        super().__init__(reason)
        self.reason = one_line(reason)


class Finding(Judgement, AssertionError):
    """What was seen is not what is required; `remedy` where it differs from the check's own.

    `policy` names the profile whose rule it was, where it was one profile's among several.
    """

    def __init__(
        self,
        reason: str,
        *,
        observed: Any = None,  # noqa: ANN401 - any JSON value
        required: Any = None,  # noqa: ANN401 - any JSON value
        remedy: str | None = None,
        policy: str | None = None,
    ) -> None:
        """Keep the message, what was seen and what is required (JSON values)."""
        super().__init__(reason)
        self.observed = observed
        self.required = required
        self.remedy = None if remedy is None else Remedy(remedy)
        self.policy = policy


class NotApplicable(Judgement):
    """The requirement does not concern this endpoint."""


class Inconclusive(Judgement):
    """It could not be told; `because` is the id of the finding of the same endpoint that is the cause, if one is."""

    def __init__(self, reason: str, *, because: str | None = None) -> None:
        """Keep the reason and the id of the finding behind it."""
        super().__init__(reason)
        self.because = because


def check(  # noqa: PLR0913 - all but one by keyword
    check_id: str,
    *,
    severity: str,
    remedy: str = "manual",
    source: str = "",
    scopes: tuple[Scope, ...] = ("endpoint",),
    controls: Sequence[str] = (),
) -> Callable[[Function], Function]:
    """Mark a test function as the check of that id; raises ValueError for an id, severity or remedy that is none."""
    if not _ID.fullmatch(check_id):
        raise ValueError(f"check id {check_id!r}: write group.name in small letters, digits and hyphens")
    mark = Check(check_id, Severity(severity), Remedy(remedy), source, scopes, tuple(controls))

    def decorate(function: Function) -> Function:
        setattr(function, MARK, mark)
        return function

    return decorate


def check_of(function: object) -> Check | None:
    """Return what `@check` said of a function, or None where it is no check."""
    return getattr(function, MARK, None)


def require(  # noqa: PLR0913 - all but two by keyword
    holds: bool,  # noqa: FBT001 - reads as `require(a == b, ...)`, like assert
    reason: str,
    *,
    observed: Any = None,  # noqa: ANN401 - any JSON value
    required: Any = None,  # noqa: ANN401 - any JSON value
    remedy: str | None = None,
    policy: str | None = None,
) -> None:
    """Raise Finding unless it holds: the message names what was seen and what is required."""
    if not holds:
        raise Finding(reason, observed=observed, required=required, remedy=remedy, policy=policy)


def require_none(
    faults: Collection[tuple[str, str]],
    *,
    required: Any = None,  # noqa: ANN401 - any JSON value
    remedy: str | None = None,
) -> None:
    """Raise Finding unless there are no faults, given each with the profile whose rule it breaks."""
    if faults:
        seen = [fault for fault, _ in faults]
        policies = "+".join(dict.fromkeys(policy for _, policy in faults))
        raise Finding("; ".join(seen), observed=seen, required=required, remedy=remedy, policy=policies)


def not_applicable(reason: str) -> NoReturn:
    """End a check whose requirement does not concern this endpoint."""
    raise NotApplicable(reason)


def inconclusive(reason: str, *, because: str | None = None) -> NoReturn:
    """End a check that cannot be told, with the reason and the id of the finding of this endpoint that is the cause."""
    raise Inconclusive(reason, because=because)
