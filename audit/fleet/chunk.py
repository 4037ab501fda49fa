"""What a run and its workers exchange: settings, chunks of endpoints, and a line of JSON for each endpoint.

Settings and chunks can be pickled. They hold no file of the run except the folder of kept CRLs and OCSP responses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from audit.analysis.key_reuse import KeyUse
from audit.config.revocation_cache import RevocationCache
from audit.endpoint import Endpoint
from audit.engine import AuditSettings, RevocationSettings
from audit.evaluation.result import Result, from_row, to_row
from audit.evaluation.waivers import Waiver
from audit.json_codec import BadRecord, compact, from_json, to_json
from audit.observation import DnsView
from audit.policy import Profile
from audit.probe import Limits
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.transparency.log_list import read_log_list

MOST_ENDPOINTS: Final = 200
"""The most endpoints of one chunk: so many are audited again, or inconclusive, if a worker ends."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker needs to observe and judge endpoints.

    `modules` are the modules of checks that other distributions add. `revocation_folder` is where responses are kept
    between runs and processes; None: nowhere.
    """

    now: datetime
    anchors: Mapping[str, tuple[bytes, ...]]  # DER by source
    profiles: tuple[Profile, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    limits: Limits = field(default_factory=Limits)
    fetches_revocation: bool = True
    allow_private: bool = False
    proxy: str | None = None
    revocation_folder: str | None = None
    has_list_of_keys: bool = False
    log_list: bytes | None = None  # the file of the CT logs
    modules: tuple[str, ...] = ()

    def for_engine(self) -> AuditSettings:
        """Return the settings that `audit.engine` takes."""
        cache = RevocationCache(Path(self.revocation_folder)) if self.revocation_folder else None
        return AuditSettings(
            anchors=TrustAnchors(self.anchors),
            now=self.now,
            profiles=self.profiles,
            waivers=self.waivers,
            limits=self.limits,
            revocation=RevocationSettings(self.fetches_revocation, self.allow_private, self.proxy, cache),
            has_list_of_keys=self.has_list_of_keys,
            log_list=read_log_list(self.log_list) if self.log_list else None,
        )


def worker_settings(
    settings: AuditSettings, now: datetime, revocation_folder: Path | None = None, modules: tuple[str, ...] = ()
) -> WorkerSettings:
    """Return the settings of a worker of an audit, which judges as of `now`."""
    revocation, log_list = settings.revocation, settings.log_list
    return WorkerSettings(
        now=now,
        anchors=settings.anchors.by_source(),
        profiles=settings.profiles,
        waivers=settings.waivers,
        limits=settings.limits,
        fetches_revocation=revocation.is_on,
        allow_private=revocation.allow_private,
        proxy=revocation.proxy,
        revocation_folder=str(revocation_folder) if revocation_folder else None,
        has_list_of_keys=settings.has_list_of_keys,
        log_list=log_list.content if log_list else None,
        modules=modules,
    )


@dataclass(frozen=True, slots=True)
class ChunkTarget:
    """An endpoint to audit. With `dns`, its name is not resolved again.

    `checks` are the ids of all checks of the run for it, and `of_host` those for its host: a result may follow from
    any of them. The worker judges those checks that it has.
    """

    endpoint: Endpoint
    checks: tuple[str, ...]
    of_host: tuple[str, ...] = ()
    dns: DnsView | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Endpoints that one worker audits together; `number` names the chunk in messages."""

    number: int
    targets: tuple[ChunkTarget, ...]


@dataclass(frozen=True, slots=True)
class EndpointReply:
    """What a worker returns of one endpoint. `row`, `results` and `observation` are texts of JSON.

    `row` is that of the results file, empty if the run has to make it. `results` is a list of the rows of the results
    that do not depend on the other endpoints, apart from `key.reuse`. `observation` is empty if the worker has stored
    it.
    """

    endpoint: str  # its id
    observed_at: datetime
    connections: int
    uses: tuple[KeyUse, ...]
    row: str
    results: str
    observation: str = ""

    def to_line(self) -> str:
        """Return the line that crosses from the worker to the run, without its end."""
        return compact(to_json(self))

    @classmethod
    def from_line(cls, line: str | bytes) -> EndpointReply:
        """Return the reply in a line; raises BadRecord."""
        try:
            return from_json(cls, json.loads(line))
        except (ValueError, RecursionError) as error:
            raise BadRecord(f"not the reply of a worker: {error}") from error


def results_in(text: str) -> dict[str, Result]:
    """Return the results of a reply by the id of their check; raises BadRecord."""
    try:
        return {row["check"]: from_row(row) for row in json.loads(text)}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadRecord(f"not the results of an endpoint: {error}") from error


def results_text(results: list[Result]) -> str:
    """Return the text from which `results_in` reads them."""
    return compact([to_row(result) for result in results])
