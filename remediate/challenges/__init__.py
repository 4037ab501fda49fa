"""The challenge types: a table of one row each. A new one is one file beside this and one row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remediate.challenges.base import Challenge, HttpHop, ProbeResult, ProbeSettings, Solver, Verdict
from remediate.challenges.http_csr_hash import HttpCsrHash

SOLVERS: Final[Mapping[str, Solver]] = {
    "http-csr-hash": HttpCsrHash(),
}
"""The solver of each challenge type, by the name that an order uses."""

__all__ = ["SOLVERS", "Challenge", "HttpHop", "ProbeResult", "ProbeSettings", "Solver", "Verdict"]
