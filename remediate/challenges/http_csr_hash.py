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

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.probe.deadline import Stopped
from remediate.challenges.base import Challenge, ProbeResult, ProbeSettings
from remediate.challenges.http_probe import ExpectedFile, probe_file
from remediate.hosts import script
from remediate.hosts.command import Command

FOLDER: Final = "/.well-known/pki-validation"


@dataclass(frozen=True, slots=True)
class HttpCsrHash:
    """The solver. The CA of the Store follows no redirect, so neither does a good result."""

    def present(self, challenge: Challenge) -> Command:
        """Return the command that writes the file, whole or not at all."""
        url = f"http://{challenge.name}{path_of(challenge)}"
        return challenge.workdir.exclusive(
            f"put the file for {url}", script("challenge/http_file"), "put", *_given(challenge)
        )

    def clean_up(self, challenge: Challenge) -> Command:
        """Return the command that removes the file, and the folders that were made for it where they are empty."""
        url = f"http://{challenge.name}{path_of(challenge)}"
        return challenge.workdir.exclusive(
            f"remove the file for {url}", script("challenge/http_file"), "clear", *_given(challenge)
        )

    def location(self, challenge: Challenge) -> str:
        """Return the path of the file on the host."""
        folder = "/".join(part for part in (challenge.docroot.rstrip("/"), challenge.below.strip("/")) if part)
        return f"{folder}/{path_of(challenge).rpartition('/')[2]}"

    def self_test(
        self, challenge: Challenge, addresses: Sequence[str], settings: ProbeSettings
    ) -> tuple[ProbeResult, ...]:
        """Request the file from every address, as the CA will; after a stop, return the results so far."""
        expected = ExpectedFile(challenge.name, path_of(challenge), body_of(challenge))
        results: list[ProbeResult] = []
        with suppress(Stopped):
            for address in addresses:
                results.append(probe_file(expected, address, settings))  # noqa: PERF401 - those before a stop are kept
        return tuple(results)


def path_of(challenge: Challenge) -> str:
    """Return the path of the file in the URL."""
    return f"{FOLDER}/{_digest('md5', challenge).upper()}.txt"


def body_of(challenge: Challenge) -> str:
    """Return the content of the file, without the last line end."""
    return f"{_digest('sha256', challenge)}\nsectigo.com\n{challenge.unique_value}"


def _given(challenge: Challenge) -> tuple[str, ...]:
    """Return the arguments of the script; the directories below the docroot are one argument each, all known here.

    The script records which directories it made, for each docroot, under a name without the path.
    """
    below = challenge.below.split("/")
    if not set(below) <= {"", *FOLDER.split("/")}:
        raise ValueError(f"{challenge.below!r} is not a part of {FOLDER}")
    made = f"made-{hashlib.sha256(challenge.docroot.encode()).hexdigest()[:16]}"
    file = path_of(challenge).rpartition("/")[2]
    return (
        challenge.docroot,
        file,
        body_of(challenge),
        " ".join(filter(None, below)),
        made,
        script("challenge/http_file_as_owner"),
    )


def _digest(algorithm: str, challenge: Challenge) -> str:
    der = x509.load_pem_x509_csr(challenge.csr.pem.encode("ascii")).public_bytes(Encoding.DER)
    return hashlib.new(algorithm, der, usedforsecurity=False).hexdigest()
