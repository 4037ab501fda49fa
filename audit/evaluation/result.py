"""A result: one check of one endpoint in one phase, as one line of the results file.

It is the contract between the audit, its reports and the repair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from audit.json_codec import format_time, parse_time
from audit.verdict import Remedy, Severity, Verdict

Phase = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class WaiverNote:
    """Why a finding does not count, who says so and until when (end of that day, UTC)."""

    reason: str  # why the finding is accepted
    owner: str  # who is responsible
    expires: str  # the last day (UTC) on which it counts


@dataclass(frozen=True, slots=True)
class Result:
    """One verdict. Times are aware; `detail` holds `observed` and `required` (JSON values)."""

    endpoint: str  # id of the endpoint or host
    host: str | None  # how the host is logged in to; null from outside
    service: str | None  # name of the service; null from outside
    check: str  # id of the check
    verdict: Verdict  # pass, fail, waived, not-applicable, inconclusive or error
    severity: Severity  # info, low, medium, high or critical
    message: str  # one line for a person
    detail: Mapping[str, Any]  # what was observed and what is required
    remedy: Remedy  # what fixes it
    source: str  # the clause that requires it
    controls: tuple[str, ...]  # controls that a pass is evidence for
    policy: str  # the policy whose rule it was
    phase: Phase = "before"  # before or after a repair
    waiver: WaiverNote | None = None  # the waiver of a waived finding
    leaf_sha256: str | None = None  # digest of the leaf that decided
    not_after: datetime | None = None  # end of its validity
    observed_at: datetime | None = None  # time of the observation
    nodeid: str = ""  # id of the test
    duration_s: float = 0.0  # duration of the test in seconds


def to_row(result: Result) -> dict[str, Any]:
    """Return the JSON object of a result. Listing the fields is faster than `to_json`, and runs have thousands."""
    waiver = result.waiver
    return {
        "endpoint": result.endpoint,
        "host": result.host,
        "service": result.service,
        "check": result.check,
        "verdict": str(result.verdict),
        "severity": str(result.severity),
        "message": result.message,
        "detail": dict(result.detail),
        "remedy": str(result.remedy),
        "source": result.source,
        "controls": list(result.controls),
        "policy": result.policy,
        "phase": result.phase,
        "waiver": waiver and {"reason": waiver.reason, "owner": waiver.owner, "expires": waiver.expires},
        "leaf_sha256": result.leaf_sha256,
        "not_after": result.not_after and format_time(result.not_after),
        "observed_at": result.observed_at and format_time(result.observed_at),
        "nodeid": result.nodeid,
        "duration_s": result.duration_s,
    }


def from_row(row: Mapping[str, Any]) -> Result:
    """Return the result in a JSON object; raises KeyError, TypeError or ValueError for any other."""
    typed = {
        "verdict": Verdict(row["verdict"]),
        "severity": Severity(row["severity"]),
        "remedy": Remedy(row["remedy"]),
        "controls": tuple(row["controls"]),
        "waiver": WaiverNote(**row["waiver"]) if row["waiver"] else None,
        "not_after": parse_time(row["not_after"]) if row["not_after"] else None,
        "observed_at": parse_time(row["observed_at"]) if row["observed_at"] else None,
    }
    return Result(**{**row, **typed})
