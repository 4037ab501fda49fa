"""Reads with the library without its warnings: of odd serial numbers and country names, an error under `-W error`.

It knows nothing of what is read, but that a certificate needs to be parsed once only.
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
    """Ignore warnings within; one thread at a time, since filters belong to the whole process."""
    with _READING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@lru_cache(maxsize=4096)
def parsed(der: bytes) -> x509.Certificate:
    """Parse a certificate; raises what the library raises. Whoever reads it, it is parsed once."""
    with unwarned():
        return x509.load_der_x509_certificate(der)
