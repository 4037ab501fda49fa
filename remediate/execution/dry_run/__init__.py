"""The rehearsal of repairs: what they would run on which host and ask of the issuer, told and not done.

`rehearse` yields it as values, `rehearsal_lines` tells it to a person.
"""

from __future__ import annotations

from remediate.execution.dry_run.bound import Touched
from remediate.execution.dry_run.lines import rehearsal_lines
from remediate.execution.dry_run.scenes import Scene, rehearse, scenes

__all__ = ["Scene", "Touched", "rehearsal_lines", "rehearse", "scenes"]
