"""Observes endpoints from outside: the addresses of their names, and the handshake with the server at each address.

Many endpoints are observed at once, within limits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from audit.observation import Accident, Observation
from audit.probe.connections import ProbeContext
from audit.probe.revocation import RevocationFetcher
from audit.probe.survey import ObservationScheduler, PartialObservation
from audit.probe.target import Inside, Limits, Target
from audit.probe.thread_pool import BoundedThreadPool, Job, Slots, Turn
from audit.probe.tls_handshake import make_offers

__all__ = ["Further", "Inside", "Limits", "RevocationFetcher", "Slots", "Target", "observe"]

Further = Callable[[bool], Sequence[Target] | None]
"""Returns the targets that have come since the last call, None if no more will come. With True, nothing is in progress:
it may wait for them."""


def observe(  # noqa: PLR0913 - all but two by keyword
    targets: Iterable[Target],
    limits: Limits,
    *,
    clock: Callable[[], datetime],
    report: Callable[[Observation], None],
    stop: threading.Event | None = None,
    revocation: RevocationFetcher | None = None,
    slots: Slots | None = None,
    further: Further = lambda _: None,
) -> None:
    """Observe all targets and report each observation when it is complete, from the calling thread.

    The targets that `further` returns meanwhile are observed too.
    After `stop` is set it returns within about a second and drops unfinished observations. A fault of a server is a
    failure of its observation, and an exception of ours is its accident; exceptions of `clock` and `report` are raised.
    With `revocation`, CRLs and OCSP responses are fetched for complete observations at the same time, and all threads
    share its turn; `report` is called without it. Other processes share the limit per address by `slots`.
    """
    stop_jobs, turn = threading.Event(), revocation.turn if revocation else Turn()
    pool = BoundedThreadPool(limits.concurrency, limits.per_address, stop_jobs, slots)

    def complete(result: PartialObservation) -> None:
        with turn:
            observation = result.observation(clock())

        def failed(error: Exception) -> None:
            report(replace(observation, accident=observation.accident or Accident.of(error)))

        try:
            with turn:
                server = revocation.place(observation) if revocation else None
                known = revocation.with_known(observation) if revocation and server else None
        except Exception as error:  # noqa: BLE001 - the boundary of one endpoint: the others are still observed
            failed(error)
            return
        if revocation is None or server is None:
            report(observation)
        elif known:  # it waits for no server, and for no other process that sends requests to it
            report(known)
        else:
            pool.submit(Job(server, partial(revocation.fetch, observation), report, failed))

    def admit(is_idle: bool) -> bool:  # noqa: FBT001 - as `Further`
        added = further(is_idle)
        scheduler.begin(added or ())
        return added is not None

    try:
        scheduler = ObservationScheduler(pool, ProbeContext(limits, make_offers(), stop_jobs, turn), complete)
        scheduler.begin(targets)
        pool.run(stop or threading.Event(), admit)
    finally:
        pool.shutdown()
