"""Limits the logins to one address that are not authenticated yet, and decides which of them are tried again.

By default sshd drops random connections from the tenth on that is not authenticated (`MaxStartups 10:30:100`): three
of ten at first, and all from the hundredth on.
"""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

MOST_UNAUTHENTICATED: Final = 8
MOST_ATTEMPTS: Final = 6
_FIRST_PAUSE_S: Final = 0.5
_RESOLVE_S: Final = 5.0
_SLICE_S: Final = 0.2

_DROPPED: Final = (
    (r"(kex|ssh)_exchange_identification: .*(closed|reset)", "sshd or a firewall closed the connection at its start"),
    (r"Exceeded MaxStartups", "sshd has too many logins that are not authenticated"),
    (r"Not allowed at this time", "sshd refuses this address for a time (PerSourcePenalties)"),
    (r"banner exchange: Connection .*(closed|reset)", "the connection was closed before the first line"),
)
"""What ssh prints if a connection was dropped before the login began, and what it means."""
_BROKEN_OFF: Final = (
    (r"^Connection (closed|reset) by \S+ port \d+", "the connection was closed in the middle of the login"),
    (r"^ssh_dispatch_run_fatal: .*(reset|closed|Broken pipe)", "the connection broke in the key exchange"),
    (r"^client_loop: send disconnect: (Broken pipe|Connection reset)", "the connection broke"),
    (r"ssh: connect to host .*: Connection reset", "the connection was reset"),
)
"""The same for one that was dropped later: a command may have begun, if there was one."""
_FINAL: Final = (
    r"Permission denied|Too many authentication failures|Authentication failed|Host key verification failed"
    r"|HOST IDENTIFICATION HAS CHANGED|account (has )?expired|not allowed because"
)
"""What ssh prints if the login was refused: another attempt would be refused too, and may lock the account."""


def is_refused(output: str) -> bool:
    """Return whether ssh printed that the login was refused."""
    return re.search(_FINAL, output, re.IGNORECASE) is not None


def why_dropped(output: str, *, runs_command: bool) -> str | None:
    """Return why a login was dropped, if another attempt may succeed and can do no harm; None if not."""
    if is_refused(output):
        return None
    rows = _DROPPED if runs_command else (*_DROPPED, *_BROKEN_OFF)
    return next((meaning for pattern, meaning in rows if re.search(pattern, output, re.MULTILINE)), None)


def pause_s(attempt: int, draw: Callable[[], float] = random.random) -> float:
    """Return how long to wait after an attempt (from 1 on): longer each time, and different for each login."""
    return float(_FIRST_PAUSE_S * 2 ** (attempt - 1) * (0.5 + draw()))


@dataclass(frozen=True, slots=True)
class SharedKey:
    """What logins share: an address and port, or a way whose own logins are not seen (a proxy), which is opaque.

    A login of an opaque way that is unfinished for some time has most likely authenticated there, and hangs behind it.
    """

    text: str
    is_opaque: bool = False


@dataclass(frozen=True, slots=True)
class UnfinishedLogins:
    """The logins of a run that are not authenticated yet, counted by the addresses and proxies that they share."""

    most: int = MOST_UNAUTHENTICATED
    late_s: float = 3.0  # of a login by an opaque way, after which it gives its turn to another
    most_late: int = 24  # with those in time, sshd would drop at most half of the further ones, which are tried again
    _begun: defaultdict[SharedKey, list[float]] = field(default_factory=lambda: defaultdict(list))
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def turn(self, keys: Collection[SharedKey], stop: threading.Event) -> Iterator[None]:
        """Wait until fewer than `most` logins share any of these keys, or until `stop` is set; count one in between."""
        distinct = set(keys)
        with self._changed:
            while not stop.is_set() and any(self._is_full(key, time.monotonic()) for key in distinct):
                self._changed.wait(_SLICE_S)
            begun = time.monotonic()
            for key in distinct:
                self._begun[key].append(begun)
        try:
            yield
        finally:
            with self._changed:
                for key in distinct:
                    self._begun[key].remove(begun)
                self._changed.notify_all()

    def _is_full(self, key: SharedKey, now: float) -> bool:
        begun = self._begun[key]
        late = sum(now - start > self.late_s for start in begun) if key.is_opaque else 0
        return len(begun) - min(late, self.most_late) >= self.most


def resolved(name: str) -> tuple[str, ...]:
    """Return the addresses of a host's name; none if it cannot be resolved in time."""
    try:
        found = in_time(lambda: socket.getaddrinfo(name, None, type=socket.SOCK_STREAM), _RESOLVE_S)
    except (OSError, UnicodeError):  # a TimeoutError too
        return ()
    return tuple(sorted({str(address[0]) for *_, address in found}))


def in_time(work: Callable[[], Any], seconds: float) -> Any:  # noqa: ANN401 - what `work` returns
    """Return what `work` returns or raise what it raises; TimeoutError if it takes longer, while its thread runs on."""
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            done.set_exception(error)

    threading.Thread(target=run, name="sslaudit-login", daemon=True).start()
    return done.result(seconds)
