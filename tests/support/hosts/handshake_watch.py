"""A client that never sleeps long: it shakes hands with services again and again and notes every change and failure.

`python -m tests.support.hosts.handshake_watch ADDRESS:PORT:NAME[:CERTIFICATE:KEY]…`, until its input ends. The first
JSON line says that each place was looked at once, the second what was seen at each. On ports 25 and 21 SMTP and FTP
are spoken before the handshake, which fails too where the key does not match the certificate. A service that reads
both files at each connection fails it while they are replaced, because that is two renames: with their paths a
failure of this kind is noted as `replaced`, until _REPLACED_S and _REPLACED_LOOKS after the first; what is not excused
says why. A handshake costs some servers a process: while the host's own record says that no switch is on the move, it
looks less often.
"""

from __future__ import annotations

import ftplib
import json
import smtplib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from remediate.deployment.progress import TERMINAL

_PAUSE_S: Final = 0.03
_QUIET_S: Final = 0.5  # between two looks while nothing moves
_SETTLED_S: Final = 1.0  # after a switch has come to rest: a reload takes some 100 ms
_DEADLINE_S: Final = 20.0
_REPLACED_S: Final = 5.0  # between two renames, as docs/repair.md has it 188 ms at most
_REPLACED_LOOKS: Final = (
    50  # and so many handshakes: on a machine that stands still, time passes but no handshake fails
)
_MISMATCHED: Final = ("ConnectionResetError", "SSLEOFError", "SMTPResponseException: (454,")  # how exim fails it
_RECORDS: Final = ("var/lib/sslaudit/*/*/state", "full/x/*/*/state")
_AT_REST: Final = TERMINAL | {"waiting"}


def shake(address: str, port: int, name: str) -> str:
    """Return the digest of the leaf that is served, or what went wrong."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    ask = {25: _smtp, 21: _ftp}.get(port, _tls)
    try:
        return sha256(ask(address, port, name, context) or b"").hexdigest()
    except (OSError, EOFError, smtplib.SMTPException, ftplib.Error) as error:
        return f"failed: {type(error).__name__}: {error}"


def _tls(address: str, port: int, name: str, context: ssl.SSLContext) -> bytes | None:
    with (
        socket.create_connection((address, port), timeout=_DEADLINE_S) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        return tls.getpeercert(binary_form=True)


def _smtp(address: str, port: int, name: str, context: ssl.SSLContext) -> bytes | None:
    with smtplib.SMTP(timeout=_DEADLINE_S, local_hostname="watch.example.test") as client:
        client.connect(address, port)
        client._host = name  # type: ignore[attr-defined]  # its only word for what is asked for by SNI
        client.starttls(context=context)
        assert isinstance(client.sock, ssl.SSLSocket)
        return client.sock.getpeercert(binary_form=True)


def _ftp(address: str, port: int, _name: str, context: ssl.SSLContext) -> bytes | None:
    with ftplib.FTP_TLS(context=context, timeout=_DEADLINE_S) as client:  # noqa: S321 - it is FTP that is watched
        client.connect(address, port)
        client.auth()
        assert isinstance(client.sock, ssl.SSLSocket)
        return client.sock.getpeercert(binary_form=True)


@dataclass(frozen=True, slots=True)
class Pair:
    """The certificate and the key that a service reads at each connection."""

    certificate: Path
    key: Path

    def identity(self) -> tuple[int, ...]:
        """Return what is another value as soon as one of them is replaced."""
        return tuple(
            value for stat in (self.certificate.stat(), self.key.stat()) for value in (stat.st_ino, stat.st_ctime_ns)
        )

    def is_matched(self) -> bool:
        """Return whether the key is the certificate's."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
        except ssl.SSLError:
            return False
        return True


@dataclass(slots=True)
class Renames:
    """Which failures of handshakes come from a pair of files that is replaced at that moment."""

    pair: Pair
    _failures: int = 0  # in a row
    _failing_since: float = 0.0

    def judged(self, ask: Callable[[], str]) -> str:
        """Return an answer; `replaced` comes before a failure if the files were replaced meanwhile or do not match."""
        before, began = self.pair.identity(), time.monotonic()
        answer = ask()
        if not answer.startswith(tuple(f"failed: {error}" for error in _MISMATCHED)):
            self._failures = 0
            return answer
        self._failing_since = self._failing_since if self._failures else began
        self._failures += 1
        if self.pair.identity() == before and self.pair.is_matched():
            return f"{answer} although the key matches the certificate"
        if self._failures > _REPLACED_LOOKS and began - self._failing_since >= _REPLACED_S:
            return f"{answer} for too long while the key does not match the certificate"
        return f"replaced: {answer}"


def watch(place: str, stop: threading.Event, seen: dict[str, list[str]]) -> None:
    """Note each answer that differs from the one before; the last look begins when it is to stop."""
    address, port, name, *files = place.split(":")
    renames = Renames(Pair(*map(Path, files))) if files else None

    def ask() -> str:
        return shake(address, int(port), name)

    is_last = False
    while not is_last:
        is_last = stop.is_set()
        answer = renames.judged(ask) if renames else ask()
        if seen[place][-1:] != [answer]:
            seen[place].append(answer)
        _rest(stop)


def _rest(stop: threading.Event) -> None:
    """Wait a moment; a longer one while no switch is on the move."""
    end = time.monotonic() + _QUIET_S
    while not stop.wait(_PAUSE_S) and time.monotonic() < end and not _is_moving():
        pass


def _is_moving() -> bool:
    """Return whether a switch on this host is not at rest, or has come to rest only now."""
    records = (record for pattern in _RECORDS for record in Path("/").glob(pattern))
    try:
        return not all(_is_at_rest(record) for record in records)
    except OSError:  # it changes while it is read
        return True


def _is_at_rest(record: Path) -> bool:
    *_, last = ["", *record.read_text().splitlines()]
    return bool(_AT_REST.intersection(last.split()[2:3])) and time.time() - record.stat().st_mtime > _SETTLED_S


def main(*places: str) -> None:
    """Watch all of them until the input ends."""
    stop, seen = threading.Event(), {place: list[str]() for place in places}
    threads = [threading.Thread(target=watch, args=(place, stop, seen)) for place in places]
    for thread in threads:
        thread.start()
    while not all(seen.values()):
        time.sleep(_PAUSE_S)
    sys.stdout.write("[]\n")
    sys.stdout.flush()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
