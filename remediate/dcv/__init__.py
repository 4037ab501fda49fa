"""The ways of validation we know: a table of one row each. A new one is one file beside this and one row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remediate.dcv.http_csr_hash import HttpCsrHash
from remediate.dcv.validator import Challenge, Hop, Look, Validator, Vantage, Verdict

VALIDATORS: Final[Mapping[str, Validator]] = {
    "http-csr-hash": HttpCsrHash(),
}
"""What proves control over a name, by what an order calls it."""

__all__ = ["VALIDATORS", "Challenge", "Hop", "Look", "Validator", "Vantage", "Verdict"]
