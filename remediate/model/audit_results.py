"""What an audit left behind for the repair: the last verdict of every check, and what was seen of every endpoint.

It knows the lines of the results file; it refuses to know where they are kept, and what is to be done about them.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from audit.evaluation.result import Result, from_row
from audit.json_codec import parse_time
from audit.verdict import Remedy, Verdict

_ID: Final = re.compile(
    r"(?:(?P<host>[^/]+)/)?"
    r"(?:(?P<scheme>[a-z0-9]+)://(?P<name>\[[^\]]+\]|[^:/+]+):(?P<port>\d+)(?:\+(?P<address>.+))?)?"
)


_OF_A_LEAF: Final = (Remedy.REISSUE, Remedy.REKEY, Remedy.RECHAIN)
"""The remedies that change one certificate of several."""


class BadEvidence(ValueError):
    """A results file that cannot be used; its message names the line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ObservedFile:
    """A file that the configuration of a service names; of a key only the SPKI digest is known here."""

    path: str
    kind: str  # certificate, key, chain
    owner: str | None = None
    group: str | None = None
    mode: str | None = None  # "0600"
    spki_sha256: str | None = None
    names: tuple[str, ...] = ()  # SANs, where the results say them
    real_path: str | None = None  # where links lead
    acl: tuple[str, ...] | None = ()  # as in InstalledFile


@dataclass(frozen=True, slots=True)
class ObservedLeaf:
    """One of the leaves that an endpoint serves, and at which addresses."""

    sha256: str
    spki_sha256: str | None
    not_after: datetime | None
    names: tuple[str, ...] | None
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ObservedEndpoint:
    """What was seen of one endpoint. `names` are the SANs of the served leaf, None where they cannot be read.

    `resolved` and `own_addresses` are where its name leads and what the host is reached by; None where it is not said.
    """

    endpoint: str
    label: str | None  # of the host
    hostspec: str | None  # None: seen from outside only
    service: str
    name: str  # the reference identifier
    observed_at: datetime | None
    leaf_sha256: str | None = None
    spki_sha256: str | None = None
    not_after: datetime | None = None
    names: tuple[str, ...] | None = ()
    files: tuple[ObservedFile, ...] = ()
    resolved: tuple[str, ...] | None = None
    own_addresses: tuple[str, ...] | None = None
    panel_service: str | None = None  # what the panel of its host calls it, where that installs its certificate
    leaves: tuple[ObservedLeaf, ...] = ()  # all that are served; the one that is meant is told by `leaf_sha256`

    def is_elsewhere(self, leaf_sha256: str | None) -> bool:
        """Return whether a leaf is certainly another host's: served at addresses that are not this host's alone."""
        own = {leaf.sha256 for leaf in self.leaves if any(map(self._is_own, leaf.addresses))}
        return bool(own) and leaf_sha256 not in own and leaf_sha256 in {leaf.sha256 for leaf in self.leaves}

    def meaning(self, leaf: ObservedLeaf) -> ObservedEndpoint:
        """Return the same endpoint with another of its leaves as the one that is meant."""
        return replace(
            self, leaf_sha256=leaf.sha256, spki_sha256=leaf.spki_sha256, not_after=leaf.not_after, names=leaf.names
        )

    def _is_own(self, address: str) -> bool:
        return address in (self.own_addresses or ()) or ipaddress.ip_address(address).is_loopback

    @property
    def is_host(self) -> bool:
        """Whether this stands for a host, or the run, as a whole."""
        return not self.name


@dataclass(frozen=True)
class AuditResults:
    """All that the repair is decided from: each check of each endpoint once, by the last phase that judged it."""

    results: tuple[Result, ...]
    seen: Mapping[str, ObservedEndpoint]
    is_complete: bool  # a file without a summary is of a run that did not finish
    unfinished: frozenset[str] = frozenset()  # endpoints on which not all checks were run

    @cached_property
    def by_endpoint(self) -> Mapping[str, tuple[Result, ...]]:
        """The results of each endpoint, in order of their checks."""
        found: dict[str, list[Result]] = {}
        for result in self.results:
            found.setdefault(result.endpoint, []).append(result)
        return {endpoint: tuple(results) for endpoint, results in found.items()}

    def verdict(self, endpoint: str, check: str) -> Verdict | None:
        """Return how a check of an endpoint ended; None where it was not judged."""
        return next((one.verdict for one in self.by_endpoint.get(endpoint, ()) if one.check == check), None)


def read_audit_results(lines: Iterable[str]) -> AuditResults:
    """Return the evidence in the lines of a results file; raises BadEvidence."""
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadEvidence(f"line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise BadEvidence(f"line {number} is no object")
        rows.append(row)
    return audit_results_of(rows)


def audit_results_of(rows: Iterable[Mapping[str, Any]]) -> AuditResults:
    """Return the evidence in the rows of a run, in whatever order they come; raises BadEvidence."""
    results: dict[tuple[str, str], Result] = {}
    seen: dict[str, tuple[str, ObservedEndpoint]] = {}
    is_complete = False
    for number, row in enumerate(rows, start=1):
        kind = row.get("kind")
        is_complete |= kind == "summary"
        try:
            if kind == "result":
                result = from_row({key: value for key, value in row.items() if key != "kind"})
                earlier = results.get((result.endpoint, result.check))
                if earlier is None or result.phase == "after":
                    results[result.endpoint, result.check] = result
            elif kind == "observation":
                one, phase = seen_of(row), row.get("phase", "before")
                if one.endpoint not in seen or phase == "after":
                    seen[one.endpoint] = (phase, one)
        except (KeyError, TypeError, ValueError) as error:
            raise BadEvidence(f"row {number} is no {kind} of an audit: {error}") from error
    ordered = tuple(results[key] for key in sorted(results))
    meant = {endpoint: _meant(seen[endpoint][1], ordered) for endpoint in sorted(seen)}
    return AuditResults(ordered, meant, is_complete)


def _meant(seen: ObservedEndpoint, results: Iterable[Result]) -> ObservedEndpoint:
    """Return an endpoint with the leaf that is wrong as the one that is meant, if the first that is served is not.

    A server with RSA and ECDSA has two certificates; each is repaired by itself.
    """
    found = [one for one in results if one.endpoint == seen.endpoint and one.verdict is Verdict.FAIL]
    wrong = dict.fromkeys(one.leaf_sha256 for one in found if one.remedy in _OF_A_LEAF)
    if seen.leaf_sha256 in wrong:
        return seen
    leaves = (leaf for leaf in seen.leaves if leaf.sha256 in wrong and not seen.is_elsewhere(leaf.sha256))
    leaf = next(leaves, None)
    return seen if leaf is None else seen.meaning(leaf)


def seen_of(row: Mapping[str, Any]) -> ObservedEndpoint:
    """Return what an observation row says; raises KeyError, TypeError or ValueError where it is none."""
    match = _ID.fullmatch(row["endpoint"])
    if match is None:
        raise ValueError(f"{row['endpoint']!r} is no endpoint")
    leaf = row["chain"][0] if row["chain"] else {}
    return ObservedEndpoint(
        endpoint=row["endpoint"],
        label=match["host"],
        hostspec=row["host"],
        service=row["service"] or match["scheme"] or "",
        name=(match["name"] or "").strip("[]"),
        observed_at=_time(row.get("observed_at")),
        leaf_sha256=leaf.get("sha256"),
        spki_sha256=leaf.get("spki_sha256"),
        not_after=_time(leaf.get("not_after")),
        names=None if row["names"] is None else tuple(sorted(row["names"])),
        files=tuple(_file(one) for one in row["installed"]),
        resolved=_addresses(row.get("resolved")),
        own_addresses=_addresses(row.get("own_addresses")),
        panel_service=row.get("panel_service"),
        leaves=tuple(_leaf(one) for one in row.get("chains") or () if one["certificates"]),
    )


def _leaf(chain: Mapping[str, Any]) -> ObservedLeaf:
    leaf, names = chain["certificates"][0], chain["names"]
    return ObservedLeaf(
        leaf["sha256"], leaf["spki_sha256"], _time(leaf["not_after"]),
        None if names is None else tuple(sorted(names)), tuple(chain["addresses"]),
    )  # fmt: skip


def _file(row: Mapping[str, Any]) -> ObservedFile:
    return ObservedFile(
        row["path"], row["kind"], row.get("owner"), row.get("group"), row.get("mode"), row.get("spki_sha256"),
        tuple(sorted(row.get("names") or ())), row.get("real_path"), _acl(row),
    )  # fmt: skip


def _acl(row: Mapping[str, Any]) -> tuple[str, ...] | None:
    acl = row.get("acl", ())
    return None if acl is None else tuple(map(str, acl))


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def _addresses(row: list[str] | None) -> tuple[str, ...] | None:
    return None if row is None else tuple(row)
