"""Visits to a file, as the access logs of a web server note them: a line read into who came when, whatever its format.

It knows the logs' usual formats (common, combined, with a virtual host in front, JSON, LTSV, `key=value`) and makes the
best of others; it refuses to know where logs are. All of a line but its frame is a visitor's to choose: it is hostile.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from audit.text import one_line
from remediate.access_logs.timestamps import first_time, time_of

_LONGEST: Final = 80  # characters of a user agent
_FIELDS: Final = 200  # of one line
_DEPTH: Final = 6  # of a line in JSON
_TOKEN: Final = re.compile(r'\s*(?:\[(?P<bracket>[^\]]*)\]|"(?P<quoted>(?:\\.|[^"\\])*)"|(?P<bare>\S+))')
_PAIR: Final = re.compile(r'(?<![\w.@-])([\w.@-]+)=(?:"((?:\\.|[^"\\])*)"|(\S*))')
ANY: Final = re.compile(r".*/\.well-known/(pki-validation|acme-challenge)/[^/]+|(\w+://[^/]+)?/[0-9A-F]{32}\.txt")
"""The paths of all proofs that a CA may ask for, those of before 2017 too."""
_METHOD: Final = re.compile(r"[A-Z]{3,12} (?=/|\w+://)")
_STATUS: Final = re.compile(r"[1-5]\d\d")
_HOST: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")

# Of a line with names: the names without anything but letters, those of inner objects with the outer's before them.
_REQUESTS: Final = ("request", "requestline", "uri", "requesturi", "requestpath", "urlpath", "url", "path", "req")
_ADDRESSES: Final = (
    "remoteaddr", "remoteip", "clientip", "clientaddr", "clienthost", "remotehost", "sourceip", "client", "ip", "host",
)  # fmt: skip
_TIMES: Final = ("timeiso", "timelocal", "timestamp", "datetime", "time", "startutc", "ts", "date", "msec")
_STATUSES: Final = ("status", "statuscode", "downstreamstatus", "code", "response")
_AGENTS: Final = ("httpuseragent", "useragent", "useragentoriginal", "agent", "ua")


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request for the file. `address` as the log has it, a name where it looks names up; the agent is printable.

    `through` is the proxy on the host or its network that asked for `address`, by that proxy's own word.
    """

    address: str
    at: datetime | None = None
    status: int | None = None
    agent: str = ""
    through: str = ""

    def __str__(self) -> str:
        """Return it in a line."""
        at = f"{self.at:%Y-%m-%d %H:%M:%S} UTC" if self.at else "a time that is not known"
        status = "no status" if self.status is None else str(self.status)
        through = f" through {self.through}" if self.through else ""
        return f"{self.address}{through} at {at}, {self.agent or 'no user agent'}, {status}"


@dataclass(frozen=True, slots=True)
class LogScan:
    """What a host's logs say of a file: visits in their order, lines that name it and could not be read, the logs read.

    `faults` says in a clause each which logs could not be read, and why.
    """

    visits: tuple[LoggedRequest, ...] = ()
    unread: int = 0
    logs: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def only(file: str) -> re.Pattern[str]:
    """Return the paths of one file, in whichever folder."""
    return re.compile(rf".*/{re.escape(file)}")


class Unreadable(ValueError):
    """A line that names the file and has no request that is understood."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # bracket, quoted, bare
    text: str


def read_line(line: str, proof: re.Pattern[str], zone: tzinfo = UTC) -> LoggedRequest | None:
    """Return the visit that a line notes; None where something else was asked for, whatever else it names.

    `proof` is what the path has to be, `zone` that of times that name none. Raises Unreadable.
    """
    fields = _named_fields(line)
    return _of_fields(fields, proof, zone) if fields else _of_tokens(tuple(_tokens(line.strip())), proof, zone)


def _tokens(line: str) -> Iterator[_Token]:
    for count, match in enumerate(_TOKEN.finditer(line)):
        if count == _FIELDS:
            return
        yield _Token(str(match.lastgroup), match[str(match.lastgroup)])


def _of_tokens(tokens: tuple[_Token, ...], proof: re.Pattern[str], zone: tzinfo) -> LoggedRequest | None:
    """Read a line of words: the request is the first that has a method, or else that is a path to the file."""
    asked = next((index for index, one in enumerate(tokens) if _is_request(one)), None)
    if asked is not None and not _asks_for(tokens[asked].text, proof):
        return None
    if asked is None:
        asked = next((index for index, one in enumerate(tokens) if _asks_for(one.text, proof)), None)
    if asked is None:
        raise Unreadable
    before, after = tokens[:asked], tokens[asked + 1 :]
    quoted = [one.text for one in after if one.kind == "quoted"]
    bare = [one.text for one in (*after, *before) if one.kind == "bare"]
    address = _visitor(before, after)
    if address is None:
        raise Unreadable
    behind = next((found for text in reversed(quoted) if (found := _address(text.partition(",")[0]))), "")
    at, status = time_of(_frame(before, after), zone), next(filter(_STATUS.fullmatch, bare), None)
    return _shown(LoggedRequest(address, at, int(status) if status else None, _agent(quoted)), behind)


def _is_request(one: _Token) -> bool:
    return one.kind == "quoted" and _METHOD.match(one.text) is not None


def _asks_for(request: str, proof: re.Pattern[str]) -> bool:
    """Return whether a request, or a path alone, is for a proof."""
    words = request.split(" ")
    path = words[1] if len(words) > 1 and _METHOD.match(request) else words[0]
    return proof.fullmatch(path.partition("?")[0].replace("\\/", "/")) is not None


def _frame(before: tuple[_Token, ...], after: tuple[_Token, ...]) -> Iterator[str]:
    """Yield where a time may stand that no visitor has written: brackets first."""
    yield from (one.text for one in (*before, *after) if one.kind == "bracket")
    yield " ".join(one.text for one in before if one.kind == "bare")
    yield from (one.text for one in before if one.kind == "quoted")
    yield " ".join(one.text for one in after if one.kind == "bare")


def _visitor(before: tuple[_Token, ...], after: tuple[_Token, ...]) -> str | None:
    """Return who asked: the third word before the time (`host ident user [time]`), else the first address there is."""
    timed = next((index for index, one in enumerate(before) if one.kind == "bracket" and first_time(one.text)), None)
    words = [one.text for one in before[:timed] if one.kind != "quoted"]
    place = max(len(words) - 3, 0)
    while place and words[place - 1].endswith(","):  # what several proxies say
        place -= 1
    usual = words[place].rstrip(",") if words and timed is not None else ""
    others = (one.text.partition(",")[0] for one in (*before, *(each for each in after if each.kind == "bare")))
    first = next((found for found in map(_address, others) if found), None)
    return _address(usual) or first or (usual.lower() if _HOST.fullmatch(usual) else None)


def _address(text: str) -> str:
    """Return an address as it is usually written, without a port; nothing where it is none."""
    if len(text) > _LONGEST:
        return ""
    bare = re.sub(r"^\[?([0-9A-Fa-f:.]+?)(?:%\w+)?\]?(?:(?<=\]):\d+)?$", r"\1", text.strip())
    for each in (bare, bare.rpartition(":")[0]):
        try:
            found = ipaddress.ip_address(each)
        except ValueError:
            continue
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return str(mapped or found)
    return ""


def _agent(quoted: list[str]) -> str:
    """Return the user agent: of what is quoted after the request, the first that is no referer."""
    rest = quoted[1:] if quoted and (quoted[0] in ("-", "") or "://" in quoted[0]) else quoted
    return rest[0] if rest else ""


def _shown(visit: LoggedRequest, behind: str) -> LoggedRequest:
    """Return a visit as it may be shown; what a proxy says counts where the proxy is of the host's own network."""
    agent = one_line(re.sub(r"\\([\"\\])", r"\1", visit.agent))[:_LONGEST].strip()
    through = visit.address if behind and behind != visit.address and _is_near(visit.address) else ""
    address = behind if through else visit.address
    return replace(visit, address=address, agent="" if agent == "-" else agent, through=through)


def _is_near(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _named_fields(line: str) -> Mapping[str, str]:
    """Return the fields of a line whose fields have names: JSON, LTSV or `key=value`; none of another line."""
    text = line.strip()
    if text.startswith("{"):
        try:
            return dict(_flat("", json.loads(text), 0))
        except (ValueError, RecursionError):
            return {}
    parts = text.split("\t")
    if len(parts) > 2 and all(re.match(r"[\w.@-]+:", part) for part in parts):
        return {_letters(name): value for name, _, value in (part.partition(":") for part in parts)}
    pairs = _PAIR.findall(text) if _PAIR.match(text) else []
    return {_letters(name): quoted or bare for name, quoted, bare in pairs} if len(pairs) > 2 else {}


def _flat(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    """Yield what is in a JSON value, by name."""
    if depth > _DEPTH:
        return
    if isinstance(value, dict):
        for inner, held in list(value.items())[:_FIELDS]:
            yield from _flat(f"{name}{_letters(inner)}", held, depth + 1)
    elif isinstance(value, list):
        for held in value[:1]:
            yield from _flat(name, held, depth + 1)
    elif value is not None:
        yield name, str(value)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _of_fields(fields: Mapping[str, str], proof: re.Pattern[str], zone: tzinfo) -> LoggedRequest | None:
    requests = [text for text in _picked(fields, _REQUESTS) if "/" in text]
    if not requests:
        raise Unreadable
    if not any(_asks_for(text, proof) for text in requests):
        return None
    addresses = (_address(text.partition(",")[0]) for text in (*_picked(fields, _ADDRESSES), *fields.values()))
    address = next(filter(None, addresses), None)
    if address is None:
        raise Unreadable
    forwarded = next(_picked(fields, ("xforwardedfor", "realip")), "")
    status = next(filter(_STATUS.fullmatch, _picked(fields, _STATUSES)), None)
    agent = next(_picked(fields, _AGENTS), "")
    at = time_of(
        (*_picked(fields, _TIMES), *(text for text in fields.values() if text not in (agent, *requests))), zone
    )
    return _shown(
        LoggedRequest(address, at, int(status) if status else None, agent), _address(forwarded.partition(",")[0])
    )


def _picked(fields: Mapping[str, str], names: tuple[str, ...]) -> Iterator[str]:
    """Yield the fields of these names, the first name first; then those whose name ends so."""
    yield from (fields[name] for name in names if name in fields)
    yield from (text for name in names for known, text in fields.items() if known != name and known.endswith(name))
