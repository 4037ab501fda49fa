"""The challenge type `http-csr-hash`: a file whose name and content derive from the CSR.

The form is the one of Sectigo and the Store (Baseline Requirements 3.2.2.4.18). The file is written and removed with
the rights of the docroot's owner.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from audit.probe.deadline import Stopped
from remediate.challenges.base import ChallengeDirectory, ProbeResult, ProbeSettings
from remediate.challenges.http_probe import ExpectedFile, probe_file
from remediate.hosts import script
from remediate.hosts.command import Command
from remediate.model.authorization import Challenge

FOLDER: Final = "/.well-known/pki-validation"


@dataclass(frozen=True, slots=True)
class HttpCsrHash:
    """The solver. The CA of the Store follows no redirect, so neither does a good result."""

    def present(self, challenge: Challenge, where: ChallengeDirectory | None) -> Command:
        """Return the command that writes the file, whole or not at all."""
        return _command("put", challenge, _required(where))

    def clean_up(self, challenge: Challenge, where: ChallengeDirectory | None) -> Command:
        """Return the command that removes the file, and the folders that were made for it where they are empty."""
        return _command("clear", challenge, _required(where))

    def location(self, challenge: Challenge, where: ChallengeDirectory | None) -> str:
        """Return the path of the file on the host."""
        directory = _required(where)
        parts = (directory.docroot.rstrip("/"), directory.below.strip("/"))
        return f"{'/'.join(filter(None, parts))}/{challenge.token}"

    def self_test(
        self, challenge: Challenge, addresses: Sequence[str], settings: ProbeSettings
    ) -> tuple[ProbeResult, ...]:
        """Request the file from every address, as the CA will; after a stop, return the results so far."""
        expected = ExpectedFile(challenge.identifier, path_of(challenge), challenge.content)
        results: list[ProbeResult] = []
        with suppress(Stopped):
            for address in addresses:
                results.append(probe_file(expected, address, settings))  # noqa: PERF401 - those before a stop are kept
        return tuple(results)


def path_of(challenge: Challenge) -> str:
    """Return the path of the file in the URL."""
    return f"{FOLDER}/{challenge.token}"


def _required(where: ChallengeDirectory | None) -> ChallengeDirectory:
    """Return the directory of a file; raises ValueError if it is not given, which would be a bug of ours."""
    if where is None:
        raise ValueError("the file of an http-csr-hash challenge needs a directory on a host")
    return where


_WHY: Final = {"put": "put the file for", "clear": "remove the file for"}


def _command(verb: str, challenge: Challenge, where: ChallengeDirectory) -> Command:
    """Return a command of the script; the directories below the docroot are one argument each, all known here.

    The script records which directories it made, for each docroot, under a name without the path.
    """
    below = where.below.split("/")
    if not set(below) <= {"", *FOLDER.split("/")}:
        raise ValueError(f"{where.below!r} is not a part of {FOLDER}")
    made = f"made-{hashlib.sha256(where.docroot.encode()).hexdigest()[:16]}"
    return where.workdir.exclusive(
        f"{_WHY[verb]} http://{challenge.identifier}{path_of(challenge)}",
        script("challenge/http_file"),
        verb,
        where.docroot,
        challenge.token,
        challenge.content,
        " ".join(filter(None, below)),
        made,
        script("challenge/http_file_as_owner"),
    )
