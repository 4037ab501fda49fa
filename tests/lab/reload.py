"""The reload command of the lab's services: `python -IS reload.py PORT SERVICE`.

It sends the name to the lab and waits for a reply.
It stands alone, so that a service's configuration can name it from anywhere. It ends with 0 once the service uses its
files, and says why where it does not.
"""

from __future__ import annotations

import socket
import sys

_WAIT_S = 20.0
TAKEN_UP = "taken up"


def main(port: str, service: str) -> int:
    """Return the exit status."""
    with socket.create_connection(("127.0.0.1", int(port)), _WAIT_S) as lab:
        lab.sendall(f"{service}\n".encode())
        with lab.makefile(encoding="utf-8") as answer:
            result = answer.read().strip()
    sys.stdout.write(f"{result or 'the lab has no answer'}\n")
    return 0 if result == TAKEN_UP else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
