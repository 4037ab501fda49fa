"""URLs, requests and times of HTTP as values, and the error if there is no response."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Literal
from urllib.parse import SplitResult, quote, urlsplit

from audit.redaction import Secrets, url_password
from audit.text import one_line

FetchFault = Literal[
    "url",  # not a URL that can be fetched
    "address",  # the host has only addresses that a certificate must not make us call
    "resolve",
    "connect",
    "no-family",  # this machine has no IPv4 or no IPv6: not a fault of the server
    "tls",
    "timeout",
    "status",
    "redirects",
    "too-much",
    "broken",  # no whole response in HTTP
    "stopped",
]
MAX_RETRY_AFTER_S: Final = 86_400
"""A longer Retry-After counts as a day: a nightly run tries again anyway."""
DEFAULT_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_MAX_DETAIL: Final = 300


class FetchError(Exception):
    """Why there is no response: a stable word and a sentence; `beginning` has the first bytes of a response, if any."""

    def __init__(self, kind: FetchFault, detail: str, address: str = "") -> None:
        """Store the kind and the sentence, which names the address if the host has several."""
        self.kind: FetchFault = kind
        self.detail = one_line(detail, _MAX_DETAIL)
        self.beginning = b""
        super().__init__(f"{address}: {self.detail}" if address else self.detail)


@dataclass(frozen=True, slots=True)
class ParsedUrl:
    """A URL of http or https in its parts."""

    scheme: str
    host: str  # a name in ASCII, or an address without brackets
    port: int
    target: str  # path and query

    @property
    def authority(self) -> str:
        """The host, with the port unless it is the scheme's own."""
        host = bracketed(self.host)
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request for a URL: GET, or POST if there is a body, unless a method is given."""

    url: str
    body: bytes = b""
    content_type: str = ""
    method: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # may hold a token


def parse_url(url: str, *, with_user: bool = False) -> ParsedUrl:
    """Return the parts of a URL; raises FetchError if it is not an HTTP URL, or has a user and `with_user` is false."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError as error:  # also UnicodeError
        raise FetchError("url", _without_password(f"{url!a} is not a valid URL: {error}", url)) from error
    if parts.scheme not in DEFAULT_PORTS or not _HOST.fullmatch(host) or (parts.username is not None and not with_user):
        raise FetchError("url", _without_password(f"{url!a} is not a URL of http or https", url))
    return ParsedUrl(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], _target(parts))


def bracketed(host: str) -> str:
    """Return a host in the form of a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def http_date(text: str) -> datetime | None:
    """Return an HTTP date (RFC 9110 5.6.7) as an aware time, or None."""
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):  # IndexError: some malformed texts before Python 3.13
        return None
    return time if time.tzinfo else None


def retry_after_s(value: str, date: str) -> int | None:
    """Return the seconds of a Retry-After field (RFC 9110 10.2.3), at most a day; None if it is absent or malformed.

    `date` is the Date field of the response. A date counts from the server's own clock: then it does not matter whose
    clock is wrong.
    """
    text = value.strip()
    if re.fullmatch(r"[0-9]{1,12}", text):
        return min(int(text), MAX_RETRY_AFTER_S)
    until, sent = http_date(text), http_date(date)
    if until is None or sent is None:
        return None
    return min(max(round((until - sent) / timedelta(seconds=1)), 0), MAX_RETRY_AFTER_S)


def _target(parts: SplitResult) -> str:
    safe = "/%:@!$&'()*+,;=~?"
    return (quote(parts.path, safe) or "/") + (f"?{quote(parts.query, safe)}" if parts.query else "")


def _without_password(text: str, url: str) -> str:
    """Return a text without the password of a URL. Hide before the text is cut."""
    return Secrets(url_password(url)).hide(text)
