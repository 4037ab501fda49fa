"""What a check decides: severity, remedy, verdict, and the exceptions and helpers by which a check states it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NoReturn

from audit.text import one_line


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
    """What fixes a finding."""

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


class Judgement(Exception):
    """The end of a check; `reason` is one line for a person."""

    def __init__(self, reason: str) -> None:
        """Store the reason, on one line."""
        super().__init__(reason)
        self.reason = one_line(reason)


class Finding(Judgement, AssertionError):
    """What was seen is not what is required; `remedy` if it differs from the check's own.

    `policy` names the profile whose rule it was, if it was one of several.
    """

    def __init__(  # noqa: PLR0913 - all but one by keyword
        self,
        reason: str,
        *,
        observed: Any = None,  # noqa: ANN401 - any JSON value
        required: Any = None,  # noqa: ANN401 - any JSON value
        remedy: str | None = None,
        policy: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Store the message, the observed and required values, and more facts for the detail (JSON values)."""
        super().__init__(reason)
        self.observed = observed
        self.required = required
        self.facts = facts or {}
        self.remedy = None if remedy is None else Remedy(remedy)
        self.policy = policy


class Passed(Judgement):
    """The requirement is met, as far as the message says. A check that meets it without more to say just returns."""


class NotApplicable(Judgement):
    """The requirement does not concern this endpoint."""


class Inconclusive(Judgement):
    """The requirement cannot be decided; `because` is the id of the endpoint's finding that is the cause, if any."""

    def __init__(self, reason: str, *, because: str | None = None) -> None:
        """Store the reason, and the id of the finding that causes it."""
        super().__init__(reason)
        self.because = because


def require(  # noqa: PLR0913 - all but two by keyword
    holds: bool,  # noqa: FBT001 - reads as `require(a == b, ...)`, like assert
    reason: str,
    *,
    observed: Any = None,  # noqa: ANN401 - any JSON value
    required: Any = None,  # noqa: ANN401 - any JSON value
    remedy: str | None = None,
    policy: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Raise Finding unless it holds: the message names what was seen and what is required.

    `facts` go into the detail of the result for other programs, which must not parse the message.
    """
    if not holds:
        raise Finding(reason, observed=observed, required=required, remedy=remedy, policy=policy, facts=facts)


def passed(reason: str) -> NoReturn:
    """End a check that passes, with a message that says what was and was not judged."""
    raise Passed(reason)


def not_applicable(reason: str) -> NoReturn:
    """End a check whose requirement does not concern this endpoint."""
    raise NotApplicable(reason)


def inconclusive(reason: str, *, because: str | None = None) -> NoReturn:
    """End a check that cannot be decided, with the reason and the id of the endpoint's finding that is the cause."""
    raise Inconclusive(reason, because=because)
