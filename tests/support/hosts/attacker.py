"""What an unprivileged user starts on a host to be taken for a server, such as a program that shows who ran it."""

from __future__ import annotations

import struct
from typing import Final

from tests.support.hosts.host import Host, HostFile

UID: Final = 1001
HOME: Final = "/home/eve"
_BASE: Final = 0x400000
_HEADERS: Final = 64 + 56  # an ELF header and one program header


def telltale(proof: str) -> bytes:
    """Return a program for x86-64 that sleeps; if it gets an argument, it first makes the file `proof`.

    The owner of that file is who ran it. With an argument it sleeps too: so does a program whose `-V` never ends.
    """
    sleep = bytes.fromhex("b822000000 0f05 ebf7")  # pause(), for ever
    opens = (
        bytes.fromhex("b802000000 bf") + b"PATH" + bytes.fromhex("be41000000 baa4010000 0f05")  # open(O_CREAT)
    )
    start = bytes.fromhex("488b0424 4883f801 74") + bytes([len(opens)])  # if argc is 1, over it
    code = start + opens + sleep
    path = struct.pack("<I", _BASE + _HEADERS + len(code))
    content = code.replace(b"PATH", path) + proof.encode() + b"\0"
    size = _HEADERS + len(content)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + content


def move_in(host: Host) -> None:
    """Give the attacker a home on a host."""
    host.shell(f"mkdir -p {HOME}; chown {UID}:{UID} {HOME}")


def put(host: Host, *files: HostFile) -> None:
    """Put files of the attacker's on a host."""
    host.write(*files)
    host.do("chown", f"{UID}:{UID}", *(file.path for file in files))


def start(host: Host, command: str, times: int = 1) -> None:
    """Let the attacker start a command that stays."""
    demote = f"setpriv --reuid={UID} --regid={UID} --clear-groups"
    host.shell(
        f"n=0; while [ $n -lt {times} ]; do n=$((n + 1)); setsid {demote} {command} </dev/null >/dev/null 2>&1 & done"
    )
