"""What an accident of an endpoint does to its checks: one of them reports it, and the others follow from that one."""

from __future__ import annotations

from audit.analysis.reachability import UNREACHABLE
from audit.checks import Check
from audit.endpoint import Endpoint
from audit.observation import Accident
from audit.verdict import Inconclusive
from pytest_sslaudit.run_state import Run


class Broken(Exception):
    """An exception of ours that ended the observation of an endpoint, perhaps in another process."""

    def __init__(self, accident: Accident) -> None:
        """Keep the accident with its trace."""
        super().__init__(accident.reason)
        self.accident = accident


def require_whole(run: Run, endpoint: Endpoint, check: Check | None) -> None:
    """Raise Broken or Inconclusive for a check of an endpoint that an accident kept from being observed.

    `svc.unreachable` reports the accident. If the run does not judge that check, every check of the endpoint does.
    """
    observation = run.facts_of(endpoint).observation
    accident = observation.accident
    if accident is None:
        return
    if (check is not None and check.id == UNREACHABLE) or not run.is_judged(UNREACHABLE, endpoint):
        raise Broken(accident) if accident.trace else Inconclusive(accident.reason)
    if observation.is_blank:
        raise Inconclusive(f"it was not observed: {accident.reason}", because=UNREACHABLE)
