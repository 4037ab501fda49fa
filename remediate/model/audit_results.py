"""The results of an audit as the repair reads them: the last verdict of each check, and each observed endpoint."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from audit.endpoint import to_address
from audit.evaluation.result import Result, from_row
from audit.json_codec import parse_time
from audit.verdict import Remedy, Verdict

_ID: Final = re.compile(
    r"(?:(?P<host>[^/]+)/)?"
    r"(?:(?P<scheme>[a-z0-9]+)://(?P<name>\[[^\]]+\]|[^:/+]+):(?P<port>\d+)(?:\+(?P<address>.+))?)?"
)


_OF_A_LEAF: Final = (Remedy.REISSUE, Remedy.REKEY, Remedy.RECHAIN)
"""The remedies that replace one certificate of several."""


class BadAuditResults(ValueError):
    """A results file that cannot be used; the message names the line and its fault."""


@dataclass(frozen=True, slots=True)
class ObservedFile:
    """A file that the configuration of a service names; of a key only the SPKI digest is known."""

    path: str
    kind: str  # certificate, key, chain
    owner: str | None = None
    group: str | None = None
    mode: str | None = None  # "0600"
    spki_sha256: str | None = None
    names: tuple[str, ...] = ()  # SANs, if the results have them
    real_path: str | None = None  # after links
    acl: tuple[str, ...] | None = ()  # as in InstalledFile
    fault: str | None = None  # as in InstalledFile, such as encrypted


@dataclass(frozen=True, slots=True)
class ObservedLeaf:
    """One leaf that an endpoint serves, and the addresses that serve it."""

    sha256: str
    spki_sha256: str | None
    not_after: datetime | None
    names: tuple[str, ...] | None
    addresses: tuple[str, ...]
    key_type: str | None = None  # such as RSA, EC or ML-DSA-65


@dataclass(frozen=True, slots=True)
class ObservedEndpoint:
    """One observed endpoint. `names` are the SANs of the served leaf in lower case, None if they cannot be read.

    `resolved` are the addresses of its name, and `own_addresses` those of the host; None if the results lack them.
    """

    endpoint: str
    label: str | None  # of the host
    hostspec: str | None  # None: observed from outside only
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
    panel_service: str | None = None  # its name in the panel of its host, if that installs its certificate
    not_inspected: tuple[str, ...] = ()  # why the process behind an unknown service was not inspected
    login: str | None = None  # the user that runs the commands of the login
    collector: str | None = None  # the only program that the login may run as root
    leaves: tuple[ObservedLeaf, ...] = ()  # all that are served; `leaf_sha256` is the one to repair

    @property
    def key_type(self) -> str | None:
        """The type of the key of the leaf to repair, such as RSA, EC or ML-DSA-65; None if it is not known."""
        return next((leaf.key_type for leaf in self.leaves if leaf.sha256 == self.leaf_sha256), None)

    def is_elsewhere(self, leaf_sha256: str | None) -> bool:
        """Return whether a leaf is certainly another host's: only addresses of other hosts serve it."""
        own = {leaf.sha256 for leaf in self.leaves if any(map(self._is_own, leaf.addresses))}
        return bool(own) and leaf_sha256 not in own and leaf_sha256 in {leaf.sha256 for leaf in self.leaves}

    def with_leaf(self, leaf: ObservedLeaf) -> ObservedEndpoint:
        """Return the same endpoint with another of its leaves as the one to repair."""
        return replace(
            self, leaf_sha256=leaf.sha256, spki_sha256=leaf.spki_sha256, not_after=leaf.not_after, names=leaf.names
        )

    def _is_own(self, address: str) -> bool:
        return address in (self.own_addresses or ()) or ipaddress.ip_address(address).is_loopback

    @property
    def is_host(self) -> bool:
        """Whether this is a host or the run as a whole."""
        return not self.name


@dataclass(frozen=True)
class AuditResults:
    """The input of the repair: the result of each check of each endpoint, of its last phase."""

    results: tuple[Result, ...]
    seen: Mapping[str, ObservedEndpoint]
    is_complete: bool  # a run that did not finish has no summary
    unfinished: frozenset[str] = frozenset()  # endpoints for which some checks were not run

    @cached_property
    def by_endpoint(self) -> Mapping[str, tuple[Result, ...]]:
        """The results of each endpoint, in the order of their checks."""
        by_endpoint: dict[str, list[Result]] = {}
        for result in self.results:
            by_endpoint.setdefault(result.endpoint, []).append(result)
        return {endpoint: tuple(results) for endpoint, results in by_endpoint.items()}

    def verdict(self, endpoint: str, check: str) -> Verdict | None:
        """Return the verdict of a check of an endpoint; None if it was not evaluated."""
        results = self.by_endpoint.get(endpoint, ())
        return next((result.verdict for result in results if result.check == check), None)


def read_audit_results(lines: Iterable[str]) -> AuditResults:
    """Return the results in the lines of a results file; raises BadAuditResults."""
    return audit_results_of(_rows(lines))


def _rows(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadAuditResults(f"line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise BadAuditResults(f"line {number} is not an object")
        yield row


def audit_results_of(rows: Iterable[Mapping[str, Any]]) -> AuditResults:
    """Return the results in the rows of a run, in any order; raises BadAuditResults."""
    results: dict[tuple[str, str], Result] = {}
    seen: dict[str, tuple[str, ObservedEndpoint]] = {}
    is_complete, partial = False, frozenset[str]()
    for number, row in enumerate(rows, start=1):
        kind = row.get("kind")
        is_complete |= kind == "summary"
        try:
            if kind == "summary":
                partial = frozenset(map(str, row.get("partial", ())))
            elif kind == "result":
                result = from_row({key: value for key, value in row.items() if key != "kind"})
                earlier = results.get((result.endpoint, result.check))
                if earlier is None or result.phase == "after":
                    results[result.endpoint, result.check] = result
            elif kind == "observation":
                endpoint, phase = observed_endpoint(row), row.get("phase", "before")
                if endpoint.endpoint not in seen or phase == "after":
                    seen[endpoint.endpoint] = (phase, endpoint)
        except (KeyError, TypeError, ValueError) as error:
            raise BadAuditResults(f"row {number} is not a valid {kind} of an audit: {error}") from error
    ordered = tuple(results[key] for key in sorted(results))
    endpoints = {endpoint: _with_failing_leaf(seen[endpoint][1], ordered) for endpoint in sorted(seen)}
    return AuditResults(ordered, endpoints, is_complete, partial)


def _with_failing_leaf(seen: ObservedEndpoint, results: Iterable[Result]) -> ObservedEndpoint:
    """Return an endpoint with a failing leaf as the one to repair, if the first that is served does not fail.

    A server with RSA and ECDSA has two certificates; each is repaired by itself.
    """
    failures = [result for result in results if result.endpoint == seen.endpoint and result.verdict is Verdict.FAIL]
    wrong = dict.fromkeys(result.leaf_sha256 for result in failures if result.remedy in _OF_A_LEAF)
    if seen.leaf_sha256 in wrong:
        return seen
    leaves = (leaf for leaf in seen.leaves if leaf.sha256 in wrong and not seen.is_elsewhere(leaf.sha256))
    leaf = next(leaves, None)
    return seen if leaf is None else seen.with_leaf(leaf)


def observed_endpoint(row: Mapping[str, Any]) -> ObservedEndpoint:
    """Return the endpoint of an observation row; raises KeyError, TypeError or ValueError if it is not one."""
    match = _ID.fullmatch(row["endpoint"])
    if match is None:
        raise ValueError(f"{row['endpoint']!r} is not an endpoint id")
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
        names=None if row["names"] is None else _names(row["names"]),
        files=tuple(_file(file) for file in row["installed"]),
        resolved=_addresses(row.get("resolved")),
        own_addresses=_addresses(row.get("own_addresses")),
        panel_service=row.get("panel_service"),
        not_inspected=tuple(map(str, row.get("not_inspected") or ())),
        login=row.get("login"),
        collector=row.get("collector"),
        leaves=tuple(_leaf(chain) for chain in row.get("chains") or () if chain["certificates"]),
    )


def _leaf(chain: Mapping[str, Any]) -> ObservedLeaf:
    leaf, names = chain["certificates"][0], chain["names"]
    return ObservedLeaf(
        leaf["sha256"], leaf["spki_sha256"], _time(leaf["not_after"]),
        None if names is None else _names(names), tuple(chain["addresses"]), chain.get("key_type"),
    )  # fmt: skip


def _file(row: Mapping[str, Any]) -> ObservedFile:
    return ObservedFile(
        row["path"], row["kind"], row.get("owner"), row.get("group"), row.get("mode"), row.get("spki_sha256"),
        _names(row.get("names") or ()), row.get("real_path"), _acl(row), row.get("fault"),
    )  # fmt: skip


def _names(presented: Iterable[str]) -> tuple[str, ...]:
    """Return the SANs of a certificate in lower case, each once: a SAN may have capitals, an order may not."""
    return tuple(sorted({to_address(name) or name.lower().rstrip(".") for name in presented}))


def _acl(row: Mapping[str, Any]) -> tuple[str, ...] | None:
    acl = row.get("acl", ())
    return None if acl is None else tuple(map(str, acl))


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def _addresses(row: list[str] | None) -> tuple[str, ...] | None:
    return None if row is None else tuple(row)
