"""Assertions that several checks share: from a value of `audit.analysis` to the end of a check.

The analysis returns why something is uncertain or exempt, and never raises it. Only a check, or an assertion that it
calls, ends as inconclusive, as not applicable or with a finding.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from audit.analysis import Exempt, Obstacle, Uncertain
from audit.analysis.lint_scope import RuleFaults
from audit.text import join_limited
from audit.verdict import Finding, inconclusive, not_applicable, require

Known = TypeVar("Known")


def end_if(obstacle: Obstacle | None) -> None:
    """End a check that an obstacle keeps from passing or failing: as inconclusive or as not applicable."""
    known(obstacle)


def known(value: Known | Uncertain | Exempt) -> Known:
    """Return a value; end the check if it is an obstacle."""
    if isinstance(value, Uncertain):
        inconclusive(value.reason, because=value.because)
    if isinstance(value, Exempt):
        not_applicable(value.reason)
    return value


def require_none(
    faults: Collection[tuple[str, str]],
    *,
    required: Any = None,  # noqa: ANN401 - any JSON value
    remedy: str | None = None,
) -> None:
    """Raise Finding if there are faults, each with the profile whose rule it breaks."""
    if faults:
        seen = [fault for fault, _ in faults]
        policies = "+".join(dict.fromkeys(policy for _, policy in faults))
        raise Finding("; ".join(seen), observed=seen, required=required, remedy=remedy, policy=policies)


def require_rules(faults: RuleFaults) -> None:
    """Raise Finding if a certificate breaks rules; if only its issuers break them, no new leaf helps."""
    remedy = None if faults.are_of_leaf else "manual"
    seen = [str(violation) for violation in faults.violations]
    require(not seen, join_limited(seen), observed=seen, required=faults.clauses, remedy=remedy)
    end_if(faults.obstacle)
