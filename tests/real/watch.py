"""A client that never sleeps long: it shakes hands with services again and again and notes every change and failure.

`python -m tests.real.watch ADDRESS:PORT:NAME…`, until its input ends; then one JSON line a service. A handshake fails
too where the key is not the certificate's.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
from hashlib import sha256

_PAUSE_S = 0.03


def shake(address: str, port: int, name: str) -> str:
    """Return the digest of the leaf that is served, or what went wrong."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address, port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=name) as tls,
        ):
            return sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()
    except OSError as error:
        return f"failed: {error}"


def watch(place: str, stop: threading.Event, seen: dict[str, list[str]]) -> None:
    """Note each answer that differs from the one before."""
    address, port, name = place.rsplit(":", 2)
    while not stop.is_set():
        answer = shake(address, int(port), name)
        if seen[place][-1:] != [answer]:
            seen[place].append(answer)
        stop.wait(_PAUSE_S)


def main(*places: str) -> None:
    """Watch all of them until the input ends."""
    stop, seen = threading.Event(), {place: list[str]() for place in places}
    threads = [threading.Thread(target=watch, args=(place, stop, seen)) for place in places]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
