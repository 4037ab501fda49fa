"""Observes endpoints from outside: which addresses their names have, and what each of these answers.

It knows how to do so for many at once within bounds; it judges nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial

from audit.observation import Accident, Observation
from audit.probe.endpoint_probe import ProbeContext
from audit.probe.revocation import Inquiry
from audit.probe.survey import ObservationScheduler, PartialObservation
from audit.probe.target import Inside, Limits, Target
from audit.probe.thread_pool import BoundedThreadPool, Job
from audit.probe.tls_handshake import make_offers

__all__ = ["Inquiry", "Inside", "Limits", "Target", "observe"]


def observe(  # noqa: PLR0913 - all but two by keyword
    targets: Iterable[Target],
    limits: Limits,
    *,
    clock: Callable[[], datetime],
    report: Callable[[Observation], None],
    stop: threading.Event | None = None,
    inquiry: Inquiry | None = None,
) -> None:
    """Observe all targets and report each as it is complete, from the calling thread.

    Once `stop` is set it returns within about a second, and what was under way is dropped. Whatever a server does ends
    as a failure of that observation, an exception of ours as its accident; one of `clock` or `report` is raised. With
    an inquiry CRLs and OCSP responders are asked about what was observed, at the same time.
    """
    halt = threading.Event()
    crew = BoundedThreadPool(limits.concurrency, limits.per_address, halt)

    def complete(sighting: PartialObservation) -> None:
        observation = sighting.observation(clock())

        def failed(error: Exception) -> None:
            report(replace(observation, accident=observation.accident or Accident.of(error)))

        try:
            place = inquiry.place(observation) if inquiry else None
        except Exception as error:  # noqa: BLE001 - the boundary of one endpoint: the others are still observed
            failed(error)
            return
        if inquiry is None or place is None:
            report(observation)
        else:
            crew.submit(Job(place, partial(inquiry.ask, observation), report, failed))

    try:
        ObservationScheduler(crew, ProbeContext(limits, make_offers(), halt), complete).begin(targets)
        crew.run(stop or threading.Event())
    finally:
        crew.dismiss()
