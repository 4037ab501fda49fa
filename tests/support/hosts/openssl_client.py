"""What another implementation sees of a server: OpenSSL's client, run on a host of the lab. It judges nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from cryptography import x509

from tests.support.hosts.host import Host

_TAKEN_UP_S: Final = 60.0  # a reload takes some 100 ms, and old workers of nginx answer as long again; not so when busy
_PAUSE_S: Final = 0.1  # what is asked is mostly a program to be started


def served(host: Host, port: int, name: str, starttls: str | None = None) -> tuple[x509.Certificate, ...]:
    """Return the chain a server on that host sends to a client that asks for a name; empty where there is none."""
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, "-showcerts"]
    if starttls:
        argv += ["-starttls", starttls]
    output = host.run("timeout", "15", *argv).stdout
    head, begin, rest = output.partition("-----BEGIN CERTIFICATE-----")
    del head
    return tuple(x509.load_pem_x509_certificates((begin + rest).encode())) if begin else ()


def wait_until(condition: Callable[[], bool]) -> bool:
    """Return whether a condition comes true in time."""
    deadline = time.monotonic() + _TAKEN_UP_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)
    return True
