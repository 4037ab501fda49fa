"""What all checks of one run are evaluated with: trust anchors, policy, waivers, shared keys and the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from audit.analysis.key_reuse import Sharing
from audit.endpoint import Endpoint, UnusableLine
from audit.evaluation.key_index import SharingOf
from audit.evaluation.waivers import Waiver
from audit.policy import Policy
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.transparency.log_list import LogList


@dataclass(frozen=True, slots=True)
class AuditRun:
    """The facts of the run itself, for the checks of scope `run`.

    `state_fault` is why the state directory cannot be used, empty if it can, None if the run does not repair.
    """

    unusable_lines: tuple[UnusableLine, ...] = ()  # lines that name no endpoint
    expired_waivers: tuple[str, ...] = ()  # waivers whose last day is over
    stale_waivers: tuple[str, ...] = ()  # waivers that cover no finding
    state_fault: str | None = None  # why the state directory cannot be used


def _not_shared(_digest: str) -> Sharing:
    return Sharing()


def _not_judged(_check: str, _endpoint: Endpoint) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """The values that every check of a run is evaluated with.

    `policy` is the one that the user named; without one, the host or the trust anchor of an endpoint decides.
    `is_judged` returns whether a check, by its id, is part of this run for that endpoint. A finding that follows from
    another one is treated as its consequence only then. `judged_again` are the ids of the endpoints that were observed
    once more after a repair: their results have the phase `after`.
    """

    now: datetime
    anchors: TrustAnchors
    policy: Policy | None = None
    waivers: tuple[Waiver, ...] = ()
    sharing_of: SharingOf = _not_shared
    has_list_of_keys: bool = False
    log_list: LogList | None = None  # the certificate transparency logs against which SCTs are verified
    itself: AuditRun = AuditRun()
    is_judged: Callable[[str, Endpoint], bool] = _not_judged
    judged_again: frozenset[str] = frozenset()
