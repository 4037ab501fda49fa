"""How revocation is asked about in a run: by the user's `[fetch]`, with what former runs were answered."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from functools import partial

from audit.config.revocation_cache import AnswerCache
from audit.observation import Observation
from audit.probe import Inquiry
from audit.probe.fetch import Fetcher, FetchPolicy
from audit.probe.revocation import Circumstances
from pytest_sslaudit.facts import FactSource
from pytest_sslaudit.options import Settings

_DEADLINE: int = 3  # of one URL, in deadlines of a probe: the largest CRLs have some ten million bytes


def inquiry_of(settings: Settings, source: FactSource, wanted: frozenset[str], stop: threading.Event) -> Inquiry:
    """Return what asks CRLs and OCSP responders about the endpoints of these ids."""
    written = settings.configuration.fetch
    fetching = FetchPolicy(
        allow_private=written.allow_private,
        proxy=written.proxy,
        deadline_s=_DEADLINE * settings.limits.timeout_s,
        limits=settings.limits,
    )
    circumstances = Circumstances(
        anchors=source.anchors,
        policy_of=lambda observation: source.facts(observation).policy,
        clock=partial(datetime.now, UTC),
        is_wanted=lambda observation: _id_of(observation) in wanted,
        is_on=written.revocation,
        at=source.now,
    )
    return Inquiry(Fetcher(fetching, stop), circumstances, AnswerCache(settings.state / "revocation"))


def _id_of(observation: Observation) -> str:
    return str(observation.endpoint)
