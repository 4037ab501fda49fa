"""Sends mail with the `sendmail` program of the local mail system; every mail system has one. No shell is involved."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Final

from audit.config import ConfigSection
from audit.text import one_line
from remediate.notify.channels.base import (
    Deferred,
    Delivered,
    DeliveryOutcome,
    Envelope,
    MailConfig,
    Refused,
    Uncertain,
)

_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_PERMANENT: Final = (65, 67, 68)  # sysexits.h: EX_DATAERR, EX_NOUSER, EX_NOHOST; an administrator can fix all others
_MAX_OUTPUT: Final = 2_000  # bytes of what it prints


@dataclass(frozen=True, slots=True)
class Sendmail:
    """The path of the program, and its timeout in seconds."""

    path: str = "/usr/sbin/sendmail"  # Filesystem Hierarchy Standard 3.0, 4.10
    timeout_s: float = 120.0

    @property
    def name(self) -> str:
        """The path of the program."""
        return self.path

    def send(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, DeliveryOutcome]:
        """Send a message to all its recipients at once. The program gets nothing of our environment."""
        return dict.fromkeys(envelope.recipients, self._send(envelope, commit))

    def arguments(self, envelope: Envelope) -> tuple[str, ...]:
        """Return the arguments: a single dot ends nothing, bounces go to the sender, no recipient is an option."""
        return (self.path, "-i", "-f", envelope.sender, "--", *envelope.recipients)

    def _send(self, envelope: Envelope, commit: Callable[[], None]) -> DeliveryOutcome:
        content = re.sub(rb"\r\n?", b"\n", envelope.message)
        with TemporaryFile() as message, TemporaryFile() as output:
            message.write(content)  # a file, so that a program that does not read cannot block us
            message.seek(0)
            commit()
            try:
                process = self._start(envelope, message, output)
            except OSError as error:
                return Deferred(f"cannot run {self.path}: {error.strerror}")
            return self._outcome(process, output)

    def _start(self, envelope: Envelope, message: IO[bytes], output: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.arguments(envelope),
            stdin=message,
            stdout=output,
            stderr=output,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )

    def _outcome(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> DeliveryOutcome:
        """Return what the exit status means; a program that was killed may have accepted the message."""
        try:
            status = process.wait(self.timeout_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return Uncertain(f"{self.path} did not end within {self.timeout_s:g} s")
        output.seek(0)
        printed = one_line(output.read(_MAX_OUTPUT).decode("utf-8", "replace"), 300)
        reason = f"{self.path} ended with {status}{f': {printed}' if printed else ''}"
        if status < 0:
            return Uncertain(reason)
        if status == 0:
            return Delivered(reason)
        return (Refused if status in _PERMANENT else Deferred)(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendmailConfig(MailConfig):
    """`[mail]` with the local mail system."""

    def open(self, section: ConfigSection) -> Sendmail:
        """Return the channel to the local mail system."""
        del section
        return Sendmail()
