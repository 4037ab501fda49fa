"""Prints the numbers by which the network it runs in refers to the networks of other processes: `… PID…`, as JSON.

ip(8) lists only namespaces that have a name.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from typing import Final

_NEWNSID: Final = 88  # linux/rtnetlink.h
_GETNSID: Final = 90
_REQUEST: Final = 1  # NLM_F_REQUEST, linux/netlink.h
_BY_PID: Final = 2  # NETNSA_PID, linux/net_namespace.h
_HEAD: Final = struct.Struct("=IHHII")
_ANSWERED: Final = struct.Struct("=IHHIIBxxxHHi")
_UNKNOWN: Final = -1


def number_of(asking: socket.socket, pid: int) -> int:
    """Return by what number a process's network is known here; -1 where it is not."""
    body = struct.pack("=BxxxHHI", socket.AF_UNSPEC, 8, _BY_PID, pid)
    asking.send(_HEAD.pack(_HEAD.size + len(body), _GETNSID, _REQUEST, pid, 0) + body)
    answer = asking.recv(4096)
    if len(answer) < _ANSWERED.size or _HEAD.unpack_from(answer)[1] != _NEWNSID:
        return _UNKNOWN
    return int(_ANSWERED.unpack_from(answer)[-1])


def main(*pids: str) -> None:
    """Print the numbers of those that are known."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        numbers = [number_of(asking, int(pid)) for pid in pids]
    sys.stdout.write(json.dumps([number for number in numbers if number != _UNKNOWN]))


if __name__ == "__main__":
    main(*sys.argv[1:])
