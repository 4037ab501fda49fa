"""Checks of whether a CA would get to see, on a panel's server, the proof that the host's name is its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from audit.checks import check, require
from audit.observation import Observation
from audit.panel import seen_upkeep, show_rights
from audit.words import duration, listing

TOKEN_AGE_MAX: Final = timedelta(days=30)
"""How long a CA may use a proof (Baseline Requirements 3.2.2.4.18): what is older serves nobody."""


@check("dcv.stale-token", severity="info", remedy="host", source="BR 3.2.2.4.18", scopes=("host",))
def test_no_old_proofs_are_left(observation: Observation, now: datetime) -> None:
    """In the folder of proofs lies none that no CA may use any more: each tells strangers of an order."""
    upkeep = seen_upkeep(observation)
    stale = [token for token in upkeep.tokens if now - token.modified > TOKEN_AGE_MAX]
    shown = [f"{token.path} ({duration(now - token.modified)} old)" for token in stale]
    require(not stale, f"no CA may use what is older than {TOKEN_AGE_MAX.days} days, and it can be removed: "
            f"{listing(shown)}", observed=[token.path for token in stale], required="none")  # fmt: skip
    show_rights(upkeep, "tokens")
