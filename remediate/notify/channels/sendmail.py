"""Hands a letter to the local mail system by its `sendmail` program, which every one of them has.

It knows its arguments and exit statuses (sysexits.h); it refuses to know which mail system it is. No shell is asked.
"""

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

from audit.config import Section
from remediate.model.text import plain
from remediate.notify.channels.base import Deferred, Delivered, Envelope, MailConfig, Outcome, Refused, Unknown

_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_FOR_GOOD: Final = (65, 67, 68)  # EX_DATAERR, EX_NOUSER, EX_NOHOST; all else may be mended by the administrator
_MOST_SAID: Final = 2_000  # bytes of what it prints


@dataclass(frozen=True, slots=True)
class Sendmail:
    """The program, by its path, and how long it may take, in seconds."""

    path: str = "/usr/sbin/sendmail"  # Filesystem Hierarchy Standard 3.0, 4.10
    timeout_s: float = 120.0

    def send(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, Outcome]:
        """Hand a letter over to all its recipients at once; nothing of our environment goes along."""
        return dict.fromkeys(envelope.recipients, self._send(envelope, commit))

    def arguments(self, envelope: Envelope) -> tuple[str, ...]:
        """Return the argument list: a dot alone ends nothing, bounces go to the sender, no recipient is an option."""
        return (self.path, "-i", "-f", envelope.sender, "--", *envelope.recipients)

    def _send(self, envelope: Envelope, commit: Callable[[], None]) -> Outcome:
        content = re.sub(rb"\r\n?", b"\n", envelope.message)
        with TemporaryFile() as letter, TemporaryFile() as said:
            letter.write(content)  # in a file, so that no program can stop us by not reading
            letter.seek(0)
            commit()
            try:
                process = self._start(envelope, letter, said)
            except OSError as error:
                return Deferred(f"{self.path} cannot be run: {error.strerror}")
            return self._outcome(process, said)

    def _start(self, envelope: Envelope, letter: IO[bytes], said: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.arguments(envelope),
            stdin=letter,
            stdout=said,
            stderr=said,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )

    def _outcome(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> Outcome:
        """Return what its exit status says; a program that did not come to one may have taken the letter."""
        try:
            status = process.wait(self.timeout_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return Unknown(f"{self.path} did not end within {self.timeout_s:g} s")
        said.seek(0)
        words = plain(said.read(_MOST_SAID).decode("utf-8", "replace"), 300)
        told = f"{self.path} ended with {status}{f': {words}' if words else ''}"
        if status < 0:
            return Unknown(told)
        if status == 0:
            return Delivered(told)
        return (Refused if status in _FOR_GOOD else Deferred)(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendmailConfig(MailConfig):
    """`[mail]` with the local mail system."""

    def open(self, section: Section) -> Sendmail:
        """Return the channel to the local mail system."""
        del section
        return Sendmail()
