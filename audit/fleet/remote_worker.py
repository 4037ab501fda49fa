"""The functions that a run calls on a worker of another machine. Arguments and results are bytes and plain values.

A worker compares its versions with those of the run before it reads anything else: settings and chunks are pickles,
which only the same versions read alike.
"""

from __future__ import annotations

import json
import pickle
import sys
import threading
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from audit.checks import built_in_checks
from audit.config import state_folder
from audit.fleet.auditor import ChunkAuditor
from audit.fleet.chunk import Chunk, EndpointReply, WorkerSettings
from audit.fleet.packed_reply import pack_reply
from audit.json_codec import BadRecord, from_json, to_json

NOT_PREPARED: Final = b"not prepared"
"""What a worker replies that does not have the settings of the run."""
_MOST_RUNS: Final = 4
_MOST_BYTES: Final = 1_000  # of the reply with versions


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions that decide how a pickle is read and a certificate is judged."""

    product: str
    python: str
    cryptography: str

    def differences(self, other: Versions) -> str:
        """Return what another machine has otherwise, and this run has; empty if nothing differs."""
        names = (("pytest-sslaudit", "product"), ("Python", "python"), ("cryptography", "cryptography"))
        pairs = ((name, getattr(other, key), getattr(self, key)) for name, key in names)
        return ", ".join(f"{name} {theirs} (this run: {ours})" for name, theirs, ours in pairs if theirs != ours)


def own_versions() -> Versions:
    """Return the versions of this process."""
    try:
        product = version("pytest-sslaudit")
    except PackageNotFoundError:  # the packages are on the path, and were not installed
        product = "not installed"
    return Versions(product, "{}.{}".format(*sys.version_info), version("cryptography"))


def versions_in(reply: object) -> Versions:
    """Return the versions that a worker reports; raises BadRecord for any other reply."""
    if not isinstance(reply, bytes) or len(reply) > _MOST_BYTES:
        raise BadRecord("it does not report its versions")
    try:
        return from_json(Versions, json.loads(reply))
    except (ValueError, RecursionError) as error:
        raise BadRecord("it does not report its versions") from error


@dataclass(slots=True)
class _PreparedRun:
    """A run for which this process audits: its settings, and one auditor for each limit per address."""

    settings: WorkerSettings
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    auditors: dict[int, ChunkAuditor] = field(default_factory=dict)

    def auditor(self, per_address: int) -> ChunkAuditor:
        if per_address not in self.auditors:
            limits = replace(self.settings.limits, per_address=per_address)
            self.auditors[per_address] = ChunkAuditor(replace(self.settings, limits=limits), stop=self.stop)
        return self.auditors[per_address]


_RUNS: Final[dict[str, _PreparedRun]] = {}
"""The latest runs of this process, by name."""


def warm_up() -> None:
    """Import the checks, before there is work."""
    built_in_checks()


def prepare(run: str, versions: str, settings: bytes) -> bytes:
    """Take over the settings of a run that has the same versions; return the versions of this process."""
    own = own_versions()
    if not own.differences(versions_in(versions.encode())):
        for earlier in tuple(_RUNS)[: 1 - _MOST_RUNS]:
            _RUNS.pop(earlier).stop.set()
        _RUNS[run] = _PreparedRun(_with_own_folder(pickle.loads(settings)))  # noqa: S301 - of a member of the cluster
    return json.dumps(to_json(own)).encode()


def audit_chunk(run: str, chunk: bytes, per_address: int) -> bytes:
    """Audit a chunk with at most so many connections at once to one address; return its packed replies."""
    prepared = _RUNS.get(run)
    if prepared is None:
        return NOT_PREPARED
    replies = list[EndpointReply]()
    audited: Chunk = pickle.loads(chunk)  # noqa: S301 - as above
    with prepared.lock:
        prepared.auditor(per_address).audit(audited, replies.append)
    return pack_reply(replies)


def stop_run(run: str) -> None:
    """End what this process still does for a run."""
    if prepared := _RUNS.pop(run, None):
        prepared.stop.set()


def _with_own_folder(settings: WorkerSettings) -> WorkerSettings:
    """Return settings with the folder of this machine for CRLs and OCSP responses, unless the run names one."""
    if settings.revocation_folder:
        return settings
    return replace(settings, revocation_folder=str(state_folder() / "revocation"))
