"""One exchange over HTTP (RFC 9110) with an issuer, within a deadline and a limit of bytes.

Nothing is logged. What an issuer repeats of the token, or of the proxy's password, is hidden once the response is
parsed: before that, any escape of JSON would let it through.
"""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final, Literal, NoReturn
from urllib.parse import SplitResult, urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from audit.endpoint import to_address
from audit.redaction import Secrets, url_password
from remediate.issuers.base import Access, BadIssuer, IssuerFault

Method = Literal["GET", "POST", "DELETE"]

MAX_ANSWER_BYTES: Final = 1_048_576  # a leaf with a hundred names and its chain has less than 20,000
MAX_RETRY_AFTER_S: Final = 86_400  # a nightly run asks again anyway
_PART: Final = 65_536
_CONNECT_S: Final = 10.0  # for each address of the name
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_HIDDEN: Final = "[token]"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole response, its header names in lower case. Neither headers nor JSON nor text holds a secret of ours."""

    status: int
    headers: Mapping[str, str]
    _body: bytes = field(repr=False)
    _secrets: Secrets = field(default_factory=Secrets, repr=False)

    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """Return the body as JSON; raises ValueError and RecursionError. Its declared type is not read."""
        return self._secrets.hide_in(json.loads(self._body, parse_constant=_refuse_constant), _HIDDEN)

    def text(self, characters: int) -> str:
        """Return the beginning of the body as text."""
        return self._secrets.hide(self._body.decode("ascii", "replace"), _HIDDEN)[:characters]

    @property
    def date(self) -> datetime | None:
        """The time by the other side's clock, where it tells."""
        return http_date(self.headers.get("date", ""))

    def retry_after_s(self) -> int | None:
        """Return in how many seconds to ask again (RFC 9110 10.2.3); None where that is not said, or not readably.

        A date counts from the other side's own clock: whose clock is wrong does not matter then.
        """
        text = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]{1,12}", text):
            return min(int(text), MAX_RETRY_AFTER_S)
        until = http_date(text)
        if until is None or self.date is None:
            return None
        return min(max(round((until - self.date) / timedelta(seconds=1)), 0), MAX_RETRY_AFTER_S)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def http_date(text: str) -> datetime | None:
    """Return an HTTP date (RFC 9110 5.6.7) as an aware time, or None."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):  # IndexError: some malformed texts before Python 3.13
        return None
    return moment if moment.tzinfo else None


def require_safe(access: Access) -> None:
    """Raise BadIssuer where a token would travel in the clear, or the URL is no base of others."""
    url = _split(access.base_url)
    place = f"base_url {url.scheme}://{url.hostname}"  # the rest may hold a secret
    if url.username is not None or url.password is not None:
        raise BadIssuer(f"{place}: there is a user in it; the token stands in the configuration as `token`")
    if url.scheme not in ("https", "http") or not url.hostname or url.query or url.fragment:
        raise BadIssuer(
            f"{place}: write a base URL such as https://store.example.com/api, with nothing behind the path"
        )
    if url.scheme == "http" and not _is_loopback(url.hostname):
        raise BadIssuer(f"{place}: the token would travel in the clear; write https:// (http:// is for loopback alone)")
    if url.scheme == "http" and access.proxy is not None:
        raise BadIssuer(f"{place}: the proxy would see the token in the clear; write https://, or leave the proxy out")


def _split(base_url: str) -> SplitResult:
    """Return the parts of a URL, of which the port can be read."""
    try:
        url = urlsplit(base_url)
        _ = url.port
    except ValueError:  # whose message quotes what may be a password
        raise BadIssuer("base_url: the host or the port in it is none; write https://store.example.com/api") from None
    return url


def _is_loopback(host: str) -> bool:
    address = to_address(host)
    return host == "localhost" or address == "::1" or (address or "").startswith("127.")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is asked: a path below the base URL, JSON to send if any, and the key that makes a repetition harmless."""

    method: Method
    path: str
    body: bytes = b""
    idempotency_key: str | None = None


def send(access: Access, ask: HttpRequest) -> HttpResponse | IssuerFault:
    """Ask once and return the whole answer, or that it was unreachable, broken, or that there is no usable token.

    No redirect is followed: the token is for this issuer alone. Every exchange has a connection of its own.
    """
    token = access.token()
    if not _TOKEN.fullmatch(token):
        return IssuerFault("authentication", "the token is empty, or holds what no header field can carry")
    secrets = Secrets((token, *url_password(access.proxy)))
    deadline = time.monotonic() + access.deadline_s
    try:
        with closing(_TimedAdapter(deadline)) as adapter, _send(adapter, _request(access, ask, token), access) as sent:
            return _read(sent, secrets)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        why = f"no whole answer within {access.deadline_s:g} s" if time.monotonic() >= deadline else _why(error)
        return IssuerFault("unreachable", secrets.hide(why, _HIDDEN))


def _request(access: Access, ask: HttpRequest, token: str) -> requests.PreparedRequest:
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "User-Agent": "sslaudit",
    }
    if ask.body:
        headers["Content-Type"] = "application/json"
    if ask.idempotency_key is not None:
        headers["Idempotency-Key"] = ask.idempotency_key
    return requests.Request(ask.method, access.base_url.rstrip("/") + ask.path, headers, data=ask.body).prepare()


def _send(adapter: HTTPAdapter, request: requests.PreparedRequest, access: Access) -> requests.Response:
    """Send by the adapter itself: a session would read proxies and .netrc, and a redirect's body to its very end."""
    return adapter.send(
        request,
        stream=True,
        timeout=(min(_CONNECT_S, access.deadline_s), access.deadline_s),
        verify=True if access.ca_file is None else access.ca_file,
        proxies={} if access.proxy is None else {"https": access.proxy},
    )


def _read(response: requests.Response, secrets: Secrets) -> HttpResponse | IssuerFault:
    """Return the response; a fault if it is too long."""
    body = b""
    while len(body) <= MAX_ANSWER_BYTES and (part := response.raw.read(_PART, decode_content=False)):
        body += part  # to the declared end: what is cut short raises there
    if len(body) > MAX_ANSWER_BYTES:
        return IssuerFault("broken", f"an answer of more than {MAX_ANSWER_BYTES} bytes (HTTP {response.status_code})")
    headers = {name.lower(): secrets.hide(value, _HIDDEN) for name, value in response.headers.items()}
    return HttpResponse(response.status_code, headers, body, secrets)


def _why(error: BaseException) -> str:
    """Say what went wrong in the words of the innermost cause: the outer ones repeat the URL and our libraries."""
    innermost = error
    while (deeper := innermost.__cause__ or innermost.__context__) is not None:
        innermost = deeper
    text = getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__
    stage = "TLS" if isinstance(error, requests.exceptions.SSLError) else "no whole answer"
    return f"{stage}: {' '.join(str(text).split())}"


class _TimedAdapter(HTTPAdapter):
    """Requests over connections that read until one moment and no longer: requests itself bounds each read alone."""

    def __init__(self, deadline: float) -> None:
        """Take the deadline, by the monotonic clock."""
        super().__init__()
        self._deadline = deadline

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as in requests
        """Return a pool whose connections make timed answers."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        make = pool.ConnectionCls

        def connection(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as in urllib3
            made = make(*args, **kwargs)
            made.response_class = partial(_timed_response, self._deadline)
            return made

        pool.ConnectionCls = connection
        return pool


def _timed_response(deadline: float, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:  # noqa: ANN401 - as in http.client
    response = http.client.HTTPResponse(sock, *args, **kwargs)
    response.fp = io.BufferedReader(_TimedBytes(sock, response.fp.detach(), deadline))
    return response


class _TimedBytes(io.RawIOBase):
    """The bytes of a socket, each read of which may last until the deadline of the whole."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, deadline: float) -> None:
        """Read from a socket by its own raw file, which counts for when it may be closed."""
        self._sock, self._raw, self._deadline = sock, raw, deadline

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any writable buffer
        """Read what is there, waiting for it no longer than is left; raises TimeoutError."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close the raw file too."""
        self._raw.close()
        super().close()
