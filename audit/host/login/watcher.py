"""A small program that ends the ssh connections of a run when the run is over, also if the run is killed.

It reads the standard input, a pipe whose other end only the run holds. The pipe ends with the run, whatever ends it:
then the commands that still run and the master processes of ssh are ended, and the directory of their sockets is
removed, within some two seconds. It imports nothing of the project, so that it starts fast and stays small:

    python -I -S watcher.py PARENT FOLDER [TEMPORARY…] <PIPE

PARENT is the process of the run, FOLDER has the sockets, and TEMPORARY are further directories of the run, which are
removed if it is killed. A line `+N` names the process group of a command that has begun, `-N` one that has ended; `end`
ends the run.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

# PROTOCOL.mux of OpenSSH
_HELLO, _VERSION = 0x00000001, 4
_TERMINATE: Final = 0x10000005
_ANSWER_S: Final = 0.3  # of a master process, which is on this machine
_TERM_S: Final = 1.0  # for processes to end by themselves
_KILL_S: Final = 1.0
_PARENT_S: Final = 0.5  # how often to look whether the parent lives: a child of it may hold the pipe open
_LONGEST_LINE: Final = 4096


def is_alive(path: str) -> bool:
    """Return whether a master process of ssh listens on a control socket."""
    with contextlib.suppress(OSError), _connected(path):
        return True
    return False


def end_master(path: str) -> None:
    """Ask the master process of a control socket to close its connection and to end (`ssh -O exit`)."""
    with contextlib.suppress(OSError), _connected(path) as connection:
        connection.sendall(_message(_HELLO, _VERSION) + _message(_TERMINATE, 0))
        while connection.recv(_LONGEST_LINE):
            pass


def _connected(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_ANSWER_S)
    try:
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _message(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers) + 1}I", 4 * len(numbers), *numbers)


def clean_up(folder: Path, groups: Iterable[int] = ()) -> None:
    """End these process groups and every master process with a socket in the folder, then remove the folder."""
    left = set(groups)
    _signal_groups(left, signal.SIGTERM)  # sshpass passes it on to a session of its own
    deadline = time.monotonic() + _TERM_S
    for path in _entries(folder):
        if time.monotonic() < deadline:  # else masters that hang would hold this up
            end_master(str(path))
    _wait(lambda: not any(map(_is_group, left)) and not any(is_alive(str(path)) for path in _entries(folder)), _TERM_S)
    _signal_groups(left, signal.SIGKILL)
    for pid in _processes_naming(folder):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    _wait(lambda: not any(_processes_naming(folder)), _KILL_S)
    shutil.rmtree(folder, ignore_errors=True)


def _entries(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(folder.iterdir())
    return []


def _wait(is_over: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_over() and time.monotonic() < deadline:
        time.sleep(0.02)


def _signal_groups(groups: Iterable[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(OSError):
            os.killpg(group, number)


def _is_group(group: int) -> bool:
    with contextlib.suppress(OSError):
        os.killpg(group, 0)
        return True
    return False


def _are_removed(folders: Iterable[Path]) -> bool:
    """Remove directories; return False if one is still there, because a process of the run that ends wrote into it."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return not any(map(os.path.lexists, folders))


def _processes_naming(folder: Path) -> Iterator[int]:
    """Yield the processes of this user whose command line names the folder: masters, and commands that use them."""
    for path in _entries(Path("/proc")):
        if path.name.isdigit() and int(path.name) != os.getpid():
            with contextlib.suppress(OSError):
                if path.stat().st_uid == os.geteuid() and os.fsencode(folder) + b"/" in (path / "cmdline").read_bytes():
                    yield int(path.name)


def watch(source: int, parent: int) -> tuple[set[int], bool]:
    """Read lines until the run is over.

    Return the process groups of the commands that still run then, and whether the run was killed.
    """
    groups = set[int]()
    was_killed = True
    rest = b""
    while True:
        if not select.select([source], [], [], _PARENT_S)[0]:
            if os.getppid() != parent:
                break
            continue
        data = os.read(source, _LONGEST_LINE)
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line[:1] == b"+":
                groups.add(int(line[1:]))
            elif line[:1] == b"-":
                groups.discard(int(line[1:]))
        was_killed = b"end" not in lines
        if not data or not was_killed:
            break
    return groups, was_killed


def main() -> None:
    """Watch the process that started this one."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they end the run, and this program ends after it
    folder, *temporary = map(Path, sys.argv[2:])
    groups, was_killed = watch(0, int(sys.argv[1]))
    clean_up(folder, groups)
    if was_killed:
        _wait(lambda: _are_removed(temporary), _TERM_S)


if __name__ == "__main__":
    main()
