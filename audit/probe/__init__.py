"""Observes endpoints from outside: which addresses their names have, and what each of these answers.

It knows how to do so for many at once within bounds; it judges nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime

from audit.observation import Observation
from audit.probe.address import Means
from audit.probe.crew import Crew
from audit.probe.survey import Sighting, Survey
from audit.probe.target import Inside, Limits, Target
from audit.probe.tls import make_offers

__all__ = ["Inside", "Limits", "Target", "observe"]


def observe(
    targets: Iterable[Target],
    limits: Limits,
    *,
    clock: Callable[[], datetime],
    report: Callable[[Observation], None],
    stop: threading.Event | None = None,
) -> None:
    """Observe all targets and report each as it is complete, from the calling thread.

    Once `stop` is set it returns within about a second, and what was under way is dropped. Whatever a server does ends
    as a failure of that observation; an exception is a fault of ours, or of `clock` or `report`.
    """
    halt = threading.Event()
    crew = Crew(limits.concurrency, limits.per_address, halt)

    def complete(sighting: Sighting) -> None:
        report(sighting.observation(clock()))

    try:
        Survey(crew, Means(limits, make_offers(), halt), complete).begin(targets)
        crew.run(stop or threading.Event())
    finally:
        crew.dismiss()
