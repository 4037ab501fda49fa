"""Writes each observation once; every process of the run reads it, and a later run if it is kept as evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from audit.endpoint import Endpoint, UnusableLine
from audit.json_codec import to_json
from audit.observation import SCHEMA, Accident, Observation, RevocationResponse
from pytest_sslaudit.evidence.files import (
    CHANGED,
    BadEvidence,
    content_of,
    decoded,
    digest_of,
    place_of,
    put,
    put_value,
    value_of,
)
from pytest_sslaudit.evidence.manifest import Manifest

INVENTORY_FILE: Final = "run.json"
CONTENT_FILE: Final = "content_in"
"""The key that names the file with the content of a response."""
_CONTENT: Final = re.compile(r"[0-9a-f]{64}\.der")
_OBSERVATION: Final = re.compile(r"[0-9a-f]{32}\.json")
_INLINE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a run audits: its endpoints in order, its hosts, and the lines that name no endpoint."""

    started: datetime
    endpoints: tuple[Endpoint, ...]
    hosts: tuple[Endpoint, ...]
    unusable: tuple[UnusableLine, ...]
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class EvidenceStore:
    """The directory of observations.

    `manifest` is that of the evidence of an earlier run: only files that it lists are read, and only unchanged ones.
    """

    folder: Path
    manifest: Manifest | None = None
    _known: list[datetime] = field(default_factory=list, compare=False, repr=False)  # the start of the run, once read

    def keep_inventory(self, inventory: Inventory) -> None:
        """Write what the run audits."""
        self._known.clear()
        put_value(self.folder / INVENTORY_FILE, to_json(inventory))

    def inventory(self) -> Inventory:
        """Read what the run audits; raises BadEvidence."""
        file = self.folder / INVENTORY_FILE
        return decoded(file, value_of(file, self._content(file)), Inventory)

    def keep(self, observation: Observation) -> None:
        """Write an observation; a large CRL, which many endpoints share, is written once in a file of its own."""
        responses = observation.revocation or ()
        names = tuple(self._write_content(response) for response in responses)
        inline = tuple(
            replace(response, content=None) if name else response
            for response, name in zip(responses, names, strict=True)
        )
        value = to_json(replace(observation, revocation=inline if responses else observation.revocation))
        for index, name in enumerate(names):
            if name:
                value["revocation"][index][CONTENT_FILE] = name
        put_value(self.file_of(observation.endpoint), value)

    def observation(self, endpoint: Endpoint) -> Observation | None:
        """Read the observation of an endpoint; None if it was not observed. Raises BadEvidence."""
        file = self.file_of(endpoint)
        is_kept = file.exists() if self.manifest is None else file.name in self.manifest.files
        if not is_kept:
            return None
        observation = self._with_contents(file)
        if str(observation.endpoint) != str(endpoint):
            raise BadEvidence(f"{place_of(file)}: it is the observation of {observation.endpoint}, not of {endpoint}")
        return observation

    def observation_or_accident(self, endpoint: Endpoint) -> Observation:
        """Read the observation of an endpoint; an observation that is missing or cannot be read is an accident."""
        try:
            return self.observation(endpoint) or self._blank(endpoint, self._missing(endpoint))
        except BadEvidence as error:
            return self._blank(endpoint, Accident(str(error)))
        except Exception as error:  # noqa: BLE001 - the boundary of one endpoint: the others are still judged
            return self._blank(endpoint, Accident.of(error))

    def _missing(self, endpoint: Endpoint) -> Accident:
        if self.manifest is not None:
            return Accident(f"evidence {self.folder}: {endpoint} was not observed in the run that kept it")
        text = f"{endpoint} was not observed in this run"
        return Accident(text, text)

    def _blank(self, endpoint: Endpoint, accident: Accident) -> Observation:
        """Return an empty observation, as of the start of the run: the inventory of all endpoints is read once."""
        if not self._known:
            self._known.append(self.inventory().started)
        return Observation(endpoint, self._known[0], accident=accident)

    def file_of(self, endpoint: Endpoint) -> Path:
        """Return the file of the observation of an endpoint."""
        return self.folder / f"{digest_of(str(endpoint).encode())[:32]}.json"

    def _write_content(self, response: RevocationResponse) -> str:
        """Write the content of a large response to a file named by its digest; return the name, else nothing."""
        if response.content is None or len(response.content) <= _INLINE_BYTES:
            return ""
        name = digest_of(response.content) + ".der"
        if not (self.folder / name).exists():
            put(self.folder / name, response.content)
        return name

    def _with_contents(self, file: Path) -> Observation:
        """Read an observation, with the contents that have files of their own."""
        value = value_of(file, self._content(file))
        observation = decoded(file, value, Observation)
        responses = tuple(
            replace(response, content=self._response(name)) if (name := str(raw.get(CONTENT_FILE, ""))) else response
            for response, raw in zip(observation.revocation or (), value.get("revocation") or (), strict=True)
        )
        return replace(observation, revocation=responses) if responses else observation

    def _response(self, name: str) -> bytes:
        if not _CONTENT.fullmatch(name):
            raise BadEvidence(f"evidence in {self.folder}: {name!a} is not a file name of a response")
        return _read_once(self.folder / name)

    def _content(self, file: Path) -> bytes:
        """Return the content of a file of this directory; raises BadEvidence if it is not as the manifest lists it."""
        content = content_of(file)
        if self.manifest is not None and self.manifest.files.get(file.name) != digest_of(content):
            raise BadEvidence(f"{place_of(file)}: {CHANGED}")
        return content


@lru_cache(maxsize=16)
def _read_once(file: Path) -> bytes:
    """Return the content of a file that is named by its digest, as one object for every reader; raises BadEvidence."""
    content = content_of(file)
    if digest_of(content) != file.stem:
        raise BadEvidence(f"{place_of(file)}: {CHANGED}")
    return content


def is_of_evidence(name: str) -> bool:
    """Return whether a file of this name is one of the files that a manifest lists."""
    return name == INVENTORY_FILE or bool(_OBSERVATION.fullmatch(name) or _CONTENT.fullmatch(name))
