"""Parses lines of access logs to the requests for a file: the client's address, the time, the status, the user agent.

The usual formats are common, combined, with a virtual host in front, JSON, LTSV and `key=value`; other formats are
parsed as far as possible. A client chooses most of a line, so its text is hostile.
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

_MAX_AGENT: Final = 80  # characters of a user agent
_MAX_FIELDS: Final = 200  # of one line
_MAX_DEPTH: Final = 6  # of a line in JSON
_TOKEN: Final = re.compile(r'\s*(?:\[(?P<bracket>[^\]]*)\]|"(?P<quoted>(?:\\.|[^"\\])*)"|(?P<bare>\S+))')
_PAIR: Final = re.compile(r'(?<![\w.@-])([\w.@-]+)=(?:"((?:\\.|[^"\\])*)"|(\S*))')
ANY_CHALLENGE: Final = re.compile(
    r".*/\.well-known/(pki-validation|acme-challenge)/[^/]+|(\w+://[^/]+)?/[0-9A-F]{32}\.txt"
)
"""The paths of all files that a CA may request for validation, also those of before 2017."""
_METHOD: Final = re.compile(r"[A-Z]{3,12} (?=/|\w+://)")
_STATUS: Final = re.compile(r"[1-5]\d\d")
_HOST: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")

# Names of fields, reduced to the characters a-z; the name of an inner object follows that of the outer one.
_REQUESTS: Final = ("request", "requestline", "uri", "requesturi", "requestpath", "urlpath", "url", "path", "req")
_ADDRESSES: Final = (
    "remoteaddr", "remoteip", "clientip", "clientaddr", "clienthost", "remotehost", "sourceip", "client", "ip", "host",
)  # fmt: skip
_TIMES: Final = ("timeiso", "timelocal", "timestamp", "datetime", "time", "startutc", "ts", "date", "msec")
_STATUSES: Final = ("status", "statuscode", "downstreamstatus", "code", "response")
_AGENTS: Final = ("httpuseragent", "useragent", "useragentoriginal", "agent", "ua")


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request for the file. `address` is a name if the server looks names up; `agent` is printable.

    `proxy` is the address of a proxy in the network of the host, which reported `address` as its client.
    """

    address: str
    at: datetime | None = None
    status: int | None = None
    agent: str = ""
    proxy: str = ""

    def __str__(self) -> str:
        """Return it in a line."""
        at = f"{self.at:%Y-%m-%d %H:%M:%S} UTC" if self.at else "an unknown time"
        status = "no status" if self.status is None else str(self.status)
        proxy = f" through {self.proxy}" if self.proxy else ""
        return f"{self.address}{proxy} at {at}, {self.agent or 'no user agent'}, {status}"


@dataclass(frozen=True, slots=True)
class LogScan:
    """The requests for a file in a host's logs: in order of time, with the logs that were read.

    `unparsed` counts lines that name the file and cannot be parsed. `faults` says which logs cannot be read.
    """

    requests: tuple[LoggedRequest, ...] = ()
    unparsed: int = 0
    logs: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def paths_ending_in(file: str) -> re.Pattern[str]:
    """Return the pattern of the paths of one file, in any directory."""
    return re.compile(rf".*/{re.escape(file)}")


class UnparsedLine(ValueError):
    """A line that names the file, but has no request that can be parsed."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # bracket, quoted, bare
    text: str


def parse_line(line: str, path: re.Pattern[str], zone: tzinfo = UTC) -> LoggedRequest | None:
    """Return the request in a line; None if its path does not match `path`, whatever else the line names.

    `zone` applies to times without one. Raises UnparsedLine.
    """
    fields = _named_fields(line)
    return _from_fields(fields, path, zone) if fields else _from_tokens(tuple(_tokens(line.strip())), path, zone)


def _tokens(line: str) -> Iterator[_Token]:
    for count, match in enumerate(_TOKEN.finditer(line)):
        if count == _MAX_FIELDS:
            return
        yield _Token(str(match.lastgroup), match[str(match.lastgroup)])


def _from_tokens(tokens: tuple[_Token, ...], path: re.Pattern[str], zone: tzinfo) -> LoggedRequest | None:
    """Parse a line of words: the request is the first word with a method, else the first that is a path of the file."""
    place = next((index for index, token in enumerate(tokens) if _is_request(token)), None)
    if place is not None and not _matches(tokens[place].text, path):
        return None
    if place is None:
        place = next((index for index, token in enumerate(tokens) if _matches(token.text, path)), None)
    if place is None:
        raise UnparsedLine
    before, after = tokens[:place], tokens[place + 1 :]
    quoted = [token.text for token in after if token.kind == "quoted"]
    bare = [token.text for token in (*after, *before) if token.kind == "bare"]
    address = _client(before, after)
    if address is None:
        raise UnparsedLine
    forwarded = next((client for text in reversed(quoted) if (client := _address(text.partition(",")[0]))), "")
    at, status = time_of(_frame(before, after), zone), next(filter(_STATUS.fullmatch, bare), None)
    return _cleaned(LoggedRequest(address, at, int(status) if status else None, _agent(quoted)), forwarded)


def _is_request(token: _Token) -> bool:
    return token.kind == "quoted" and _METHOD.match(token.text) is not None


def _matches(request: str, path: re.Pattern[str]) -> bool:
    """Return whether a request, or a path alone, is for the file."""
    words = request.split(" ")
    target = words[1] if len(words) > 1 and _METHOD.match(request) else words[0]
    return path.fullmatch(target.partition("?")[0].replace("\\/", "/")) is not None


def _frame(before: tuple[_Token, ...], after: tuple[_Token, ...]) -> Iterator[str]:
    """Yield the texts that may hold a time and that no client wrote: those in brackets first."""
    yield from (token.text for token in (*before, *after) if token.kind == "bracket")
    yield " ".join(token.text for token in before if token.kind == "bare")
    yield from (token.text for token in before if token.kind == "quoted")
    yield " ".join(token.text for token in after if token.kind == "bare")


def _client(before: tuple[_Token, ...], after: tuple[_Token, ...]) -> str | None:
    """Return the client: the third word before the time (`host ident user [time]`), else the first address."""
    timed = next((index for index, it in enumerate(before) if it.kind == "bracket" and first_time(it.text)), None)
    words = [token.text for token in before[:timed] if token.kind != "quoted"]
    place = max(len(words) - 3, 0)
    while place and words[place - 1].endswith(","):  # several proxies, as in X-Forwarded-For
        place -= 1
    usual = words[place].rstrip(",") if words and timed is not None else ""
    bare = (token for token in after if token.kind == "bare")
    others = (token.text.partition(",")[0] for token in (*before, *bare))
    first = next((found for found in map(_address, others) if found), None)
    return _address(usual) or first or (usual.lower() if _HOST.fullmatch(usual) else None)


def _address(text: str) -> str:
    """Return an address in its usual form, without a port; empty if the text is not an address."""
    if len(text) > _MAX_AGENT:
        return ""
    bare = re.sub(r"^\[?([0-9A-Fa-f:.]+?)(?:%\w+)?\]?(?:(?<=\]):\d+)?$", r"\1", text.strip())
    for candidate in (bare, bare.rpartition(":")[0]):
        try:
            parsed = ipaddress.ip_address(candidate)
        except ValueError:
            continue
        mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
        return str(mapped or parsed)
    return ""


def _agent(quoted: list[str]) -> str:
    """Return the user agent: the first quoted text after the request that is not a referer."""
    rest = quoted[1:] if quoted and (quoted[0] in ("-", "") or "://" in quoted[0]) else quoted
    return rest[0] if rest else ""


def _cleaned(request: LoggedRequest, forwarded: str) -> LoggedRequest:
    """Return a request with a printable agent; the client that a proxy reports counts if the proxy is not public."""
    agent = one_line(re.sub(r"\\([\"\\])", r"\1", request.agent))[:_MAX_AGENT].strip()
    proxy = request.address if forwarded not in ("", request.address) and _is_near(request.address) else ""
    address = forwarded if proxy else request.address
    return replace(request, address=address, agent="" if agent == "-" else agent, proxy=proxy)


def _is_near(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _named_fields(line: str) -> Mapping[str, str]:
    """Return the fields of a line with named fields: JSON, LTSV or `key=value`; none for another line."""
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
    """Yield the scalars in a JSON value, by name."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for inner, held in list(value.items())[:_MAX_FIELDS]:
            yield from _flat(f"{name}{_letters(inner)}", held, depth + 1)
    elif isinstance(value, list):
        for held in value[:1]:
            yield from _flat(name, held, depth + 1)
    elif value is not None:
        yield name, str(value)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _from_fields(fields: Mapping[str, str], path: re.Pattern[str], zone: tzinfo) -> LoggedRequest | None:
    requests = [text for text in _picked(fields, _REQUESTS) if "/" in text]
    if not requests:
        raise UnparsedLine
    if not any(_matches(text, path) for text in requests):
        return None
    addresses = (_address(text.partition(",")[0]) for text in (*_picked(fields, _ADDRESSES), *fields.values()))
    address = next(filter(None, addresses), None)
    if address is None:
        raise UnparsedLine
    forwarded = next(_picked(fields, ("xforwardedfor", "realip")), "")
    status = next(filter(_STATUS.fullmatch, _picked(fields, _STATUSES)), None)
    agent = next(_picked(fields, _AGENTS), "")
    at = time_of(
        (*_picked(fields, _TIMES), *(text for text in fields.values() if text not in (agent, *requests))), zone
    )
    return _cleaned(
        LoggedRequest(address, at, int(status) if status else None, agent), _address(forwarded.partition(",")[0])
    )


def _picked(fields: Mapping[str, str], names: tuple[str, ...]) -> Iterator[str]:
    """Yield the fields of these names, in the order of the names; then those whose names end with one."""
    yield from (fields[name] for name in names if name in fields)
    yield from (text for name in names for known, text in fields.items() if known != name and known.endswith(name))
