"""Bounds of CPU time for tests, on a machine that does other work too.

A bound for a single run is generous, and does not count the garbage collector: in a process with thousands of tests
one collection takes up to a second. A bound of less than a second is for the fastest of several runs.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_TRIES: Final = 5


def least_cpu_s(function: Callable[[], object], *, bound_s: float) -> float:
    """Return the CPU seconds of this thread in the fastest of five calls; the first one below the bound is the last."""
    least = float("inf")
    for _ in range(_TRIES):
        gc.collect()
        start = time.thread_time()
        function()
        least = min(least, time.thread_time() - start)
        if least < bound_s:
            break
    return least


@contextmanager
def at_most_cpu_s(bound_s: float) -> Iterator[None]:
    """Fail if the block uses more CPU seconds, in all threads of this process. The bound is a second or more.

    Garbage is collected after the block.
    """
    assert bound_s >= 1, "measure the fastest of several runs: least_cpu_s()"
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        start = time.process_time()
        yield
        used = time.process_time() - start
    finally:
        if was_enabled:
            gc.enable()
    assert used < bound_s, f"{used:.2f} s of CPU, at most {bound_s} s are allowed"
