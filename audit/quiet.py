"""Reads with the library without its warnings: of odd serial numbers and country names, an error under `-W error`.

It knows nothing of what is read.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_READING = threading.RLock()


@contextmanager
def unwarned() -> Iterator[None]:
    """Ignore warnings within; one thread at a time, since filters belong to the whole process."""
    with _READING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
