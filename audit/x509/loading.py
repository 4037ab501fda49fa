"""Calls the library without its warnings about odd serial numbers and country names, and parses a certificate once.

Nothing else in the audit may change the filters of warnings: they belong to the whole process, and the lock is here.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from cryptography import x509

_READING = threading.RLock()


@contextmanager
def unwarned() -> Iterator[None]:
    """Ignore warnings within; one thread at a time, because the filters belong to the whole process."""
    with _READING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@lru_cache(maxsize=4096)
def parsed(der: bytes) -> x509.Certificate:
    """Parse a certificate once for all readers; raises what the library raises."""
    with unwarned():
        return x509.load_der_x509_certificate(der)
