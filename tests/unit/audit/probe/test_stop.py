"""The event that stops a run is set by a signal, wherever the signal interrupts the run."""

from __future__ import annotations

import threading

from audit.probe.deadline import set_in_handler


def test_event_is_set_though_the_interrupted_code_holds_its_lock() -> None:
    stop = threading.Event()
    with vars(stop)["_cond"]:  # as `stop.wait` has it for a moment
        set_in_handler(stop)
    assert stop.wait(30)
