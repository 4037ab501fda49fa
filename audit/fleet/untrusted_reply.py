"""Reads the reply to a chunk from a worker on another machine, as hostile input: it is valid as a whole, or refused.

A reply has the large CRLs and OCSP responses of its endpoints, once each, and then the line of every endpoint of the
chunk. What other servers can influence is bounded and cleaned, and never a reason to refuse: a server must not be able
to keep the endpoints that are audited with it from a verdict.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NoReturn

from audit.analysis.key_reuse import KeyUse, key_uses
from audit.checks import Check
from audit.evaluation.result import Result
from audit.evaluation.waivers import Waiver, find_waiver
from audit.fleet.chunk import Chunk, ChunkTarget, EndpointReply
from audit.fleet.packed_reply import CONTENT, CONTENT_IN, digest_of, unpacked
from audit.json_codec import BadRecord, compact, format_time, from_json, parse_time, to_json
from audit.observation import SCHEMA, Observation
from audit.text import MAX_DETAIL, MAX_MESSAGE, MAX_QUOTED, one_line, printable, shortened, strings_in
from audit.verdict import Remedy, Severity, Verdict

MOST_BYTES: Final = 256 * 1024 * 1024
"""The most bytes of a reply when it is unpacked. CRLs have ten million bytes at most, and a chunk needs few of them."""
MOST_LINE_BYTES: Final = 16 * 1024 * 1024
"""The most bytes of the line of one endpoint."""
MOST_CONTENT_BYTES: Final = 32 * 1024 * 1024
"""The most bytes of a line with a CRL or OCSP response."""
_MOST_DEPTH: Final = 16
_MOST_CONNECTIONS: Final = 10_000
_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "verdict": tuple(verdict.value for verdict in Verdict),
    "severity": tuple(severity.value for severity in Severity),
    "remedy": tuple(remedy.value for remedy in Remedy),
}
_ROW_FIELDS: Final = frozenset(field.name for field in fields(Result))
_HEX_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")
Row = dict[str, Any]
"""The JSON object of a result."""


@dataclass(frozen=True, slots=True)
class ReplyRules:
    """What the results of a worker must fit: the checks of the run by id, its waivers, and its time."""

    checks: Mapping[str, Check]
    waivers: tuple[Waiver, ...]
    now: datetime
    most_certificates: int


def read_untrusted_reply(
    reply: object, chunk: Chunk, rules: ReplyRules
) -> tuple[tuple[EndpointReply, Observation], ...]:
    """Return the reply and the observation of each endpoint of a chunk, in its order; raises BadRecord.

    The row of the results file and the uses of keys are not the worker's: they are made of the observation.
    """
    if not isinstance(reply, bytes):
        raise BadRecord(f"it is of the type {type(reply).__name__}, not bytes")
    contents, given = dict[str, bytes](), dict[str, tuple[EndpointReply, Observation]]()
    targets = {str(target.endpoint): target for target in chunk.targets}
    for line in unpacked(reply, MOST_BYTES).split(b"\n"):
        if line.startswith(CONTENT):
            contents[digest_of(line.removeprefix(CONTENT))] = _content(line)
            continue
        claimed = _claimed(line)
        target = targets.get(claimed.endpoint)
        if target is None:
            raise BadRecord(f"it has a line of {_shown(claimed.endpoint)}, which is not an endpoint of the chunk")
        if claimed.endpoint in given:
            raise BadRecord(f"it has two lines of {claimed.endpoint}")
        given[claimed.endpoint] = _read(claimed, target, contents, rules)
    missing = [name for name in targets if name not in given]
    if missing:
        raise BadRecord(f"it has no line of {missing[0]} ({len(missing)} of {len(targets)} are missing)")
    return tuple(given[name] for name in targets)


def _content(line: bytes) -> bytes:
    if len(line) > MOST_CONTENT_BYTES:
        raise BadRecord(f"a CRL or OCSP response has {len(line)} bytes (limit {MOST_CONTENT_BYTES})")
    try:
        return base64.b64decode(line.removeprefix(CONTENT), validate=True)
    except ValueError as error:
        raise BadRecord("a CRL or OCSP response is not in base64") from error


def _claimed(line: bytes) -> EndpointReply:
    """Return the line of an endpoint, of which nothing but the types is checked."""
    if len(line) > MOST_LINE_BYTES:
        raise BadRecord(f"a line has {len(line)} bytes (limit {MOST_LINE_BYTES})")
    return from_json(EndpointReply, _value(line))


def _read(
    claimed: EndpointReply, target: ChunkTarget, contents: Mapping[str, bytes], rules: ReplyRules
) -> tuple[EndpointReply, Observation]:
    """Return a reply of which every value is checked; raises BadRecord that names the endpoint."""
    try:
        observation = _observation(claimed.observation, target, contents, rules)
        results = list(_results(claimed.results, target, observation, rules))
    except BadRecord as error:
        raise BadRecord(f"{claimed.endpoint}: {error}") from error
    reply = EndpointReply(
        endpoint=claimed.endpoint,
        observed_at=observation.observed_at,
        connections=observation.connections,
        uses=_uses(observation),
        row="",
        results=compact(results),
    )
    return reply, observation


def _uses(observation: Observation) -> tuple[KeyUse, ...]:
    try:
        return key_uses(observation)
    except Exception:  # noqa: BLE001 - the boundary of one endpoint: the run finds the same and reports its trace
        return ()


def _observation(
    text: str, target: ChunkTarget, contents: Mapping[str, bytes], rules: ReplyRules
) -> Observation:  # fmt: skip
    value = _cleaned(_value(text), MAX_DETAIL)
    observation = _with_contents(from_json(Observation, value), value, contents)
    if observation.endpoint != target.endpoint:
        raise BadRecord(f"the observation is that of {_shown(str(observation.endpoint))}")
    if observation.schema != SCHEMA:
        raise BadRecord(f"the observation has the schema {observation.schema}, not {SCHEMA}")
    if observation.server is not None or observation.http_probes is not None:
        raise BadRecord("the observation is one from inside a host")
    if not 0 <= observation.connections <= _MOST_CONNECTIONS or observation.elapsed_s < 0:
        raise BadRecord(f"it took {observation.connections} connections and {observation.elapsed_s:g} s")
    longest = max((len(handshake.chain_der) for handshake in observation.every_handshake), default=0)
    if longest > rules.most_certificates:
        raise BadRecord(f"a chain has {longest} certificates (limit {rules.most_certificates})")
    return observation


def _with_contents(observation: Observation, value: Any, contents: Mapping[str, bytes]) -> Observation:  # noqa: ANN401 - JSON
    """Return an observation with the contents that the reply has once for several endpoints."""
    if not observation.revocation:
        return observation
    names = [item.get(CONTENT_IN) for item in value["revocation"]]
    if any(name is not None and name not in contents for name in names):
        raise BadRecord("a CRL or OCSP response is missing in the reply")
    given = zip(observation.revocation, names, strict=True)
    responses = (replace(response, content=contents[name]) if name else response for response, name in given)
    return replace(observation, revocation=tuple(responses))


def _results(text: str, target: ChunkTarget, observation: Observation, rules: ReplyRules) -> Iterator[Row]:
    rows, seen, endpoint = _value(text), set[str](), observation.endpoint
    if not isinstance(rows, list):
        raise BadRecord("the results are not a list")
    of_endpoint: Row = {
        "endpoint": str(endpoint),
        "host": endpoint.hostspec,
        "service": endpoint.service,
        "phase": "before",
        "observed_at": format_time(observation.observed_at),
        "nodeid": "",
        "duration_s": 0.0,
    }
    for row in rows:
        if not isinstance(row, dict) or row.keys() != _ROW_FIELDS:
            raise BadRecord("a result has other fields than the results file")
        name = str(row["check"])
        check = rules.checks.get(name) if name in target.checks else None
        if check is None or "endpoint" not in check.scopes:
            raise BadRecord(f"{_shown(name)} is not a check of this endpoint in the run")
        if name in seen:
            raise BadRecord(f"it has two results of {name}")
        seen.add(name)
        yield _checked(row, check, {**of_endpoint, "source": check.source, "controls": list(check.controls)}, rules)


def _checked(row: Row, check: Check, expected: Row, rules: ReplyRules) -> Row:
    """Return a result whose values fit its check, the endpoint and the run, with its texts within their bounds."""
    for name, value in expected.items():
        if row[name] != value:
            _refuse(check, f"has another {name} than that of the endpoint and the check")
    for name, values in _KNOWN.items():
        if row[name] not in values:
            _refuse(check, f"has the {name} {_shown(repr(row[name]))}")
    if not isinstance(row["message"], str) or not isinstance(row["policy"], str) or not isinstance(row["detail"], dict):
        _refuse(check, "has a message, a policy or a detail of another type")
    _require_reasons(row, check, rules)
    _require_leaf(row, check)
    detail = _cleaned(row["detail"])
    if any(sum(map(len, strings_in(value))) > 2 * MAX_DETAIL for value in detail.values()):
        _refuse(check, "has too long a detail")
    texts = {
        "message": shortened(one_line(row["message"]), MAX_MESSAGE),
        "policy": shortened(one_line(row["policy"]), MAX_QUOTED),
    }
    return {**row, **expected, **texts, "check": check.id, "detail": detail}


def _require_reasons(row: Row, check: Check, rules: ReplyRules) -> None:
    """Raise BadRecord unless waiver and remedy fit the verdict, and the waiver is one of the run."""
    is_waived = row["verdict"] == Verdict.WAIVED
    waiver = find_waiver(rules.waivers, check.id, row["endpoint"], rules.now) if is_waived else None
    if row["waiver"] != to_json(waiver.note if waiver else None):
        _refuse(check, "has a waiver that is not one of the run for it")
    if is_waived and waiver is None:
        _refuse(check, "is waived without a waiver")
    if row["remedy"] != Remedy.NONE and row["verdict"] not in (Verdict.FAIL, Verdict.WAIVED):
        _refuse(check, f"has the remedy {row['remedy']} for the verdict {row['verdict']}")


def _require_leaf(row: Row, check: Check) -> None:
    """Raise BadRecord if the digest or the end of the leaf is not one."""
    digest, end = row["leaf_sha256"], row["not_after"]
    if digest is not None and not (isinstance(digest, str) and _HEX_DIGEST.fullmatch(digest)):
        _refuse(check, "has a leaf_sha256 that is not a digest")
    if end is not None and not (isinstance(end, str) and _is_time(end)):
        _refuse(check, "has a not_after that is not a time")


@lru_cache(maxsize=256)
def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except BadRecord:
        return False
    return True


def _refuse(check: Check, reason: str) -> NoReturn:
    raise BadRecord(f"the result of {check.id} {reason}")


def _value(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON text; raises BadRecord."""
    try:
        return json.loads(text, parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"it is not JSON: {_shown(str(error))}") from error


def _not_a_number(name: str) -> NoReturn:
    raise BadRecord(f"{name} is not a number")


def _cleaned(value: Any, longest: int | None = None, depth: int = _MOST_DEPTH) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value without control characters; texts are cut to `longest`, except those in base64.

    Raises BadRecord for a value that is nested too deeply, or a number that no reader has to accept.
    """
    if isinstance(value, str):
        text = printable(value, "\t\r\n")
        return text if longest is None or len(text) <= longest or _BASE64.fullmatch(text) else shortened(text, longest)
    if isinstance(value, float) and not math.isfinite(value):
        raise BadRecord("a number is not finite")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise BadRecord("a number has more than 64 bits")
    if not isinstance(value, list | dict):
        return value
    if not depth:
        raise BadRecord(f"it is nested more than {_MOST_DEPTH} levels deep")
    if isinstance(value, list):
        return [_cleaned(item, longest, depth - 1) for item in value]
    return {printable(key): _cleaned(item, longest, depth - 1) for key, item in value.items()}


def _shown(text: str) -> str:
    return one_line(text, MAX_QUOTED)
