"""A result: one check of one endpoint in one phase, as one line of the results file.

The contract between the audit, its reports and the repair. It knows no pytest and writes no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from audit.checks import Remedy, Severity, Verdict

Phase = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class WaiverNote:
    """Why a finding does not count, who says so and until when (end of that day, UTC)."""

    reason: str
    owner: str
    expires: str


@dataclass(frozen=True, slots=True)
class Result:
    """One verdict. Times are aware; `detail` holds `observed` and `required` (JSON values)."""

    endpoint: str
    host: str | None
    service: str | None
    check: str
    verdict: Verdict
    severity: Severity
    message: str
    detail: Mapping[str, Any]
    remedy: Remedy
    source: str
    controls: tuple[str, ...]
    policy: str
    phase: Phase = "before"
    waiver: WaiverNote | None = None
    leaf_sha256: str | None = None
    not_after: datetime | None = None
    observed_at: datetime | None = None
    nodeid: str = ""
    duration_s: float = 0.0
