"""JSON requests to an issuer with a token, and what its responses say about time.

Nothing is logged. If an issuer repeats the token, or a proxy its password, it is hidden once the response is parsed:
before that, any escape of JSON would let it through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, NoReturn
from urllib.parse import SplitResult, urlsplit

import certifi
import requests

from audit.endpoint import is_loopback_host
from audit.probe.deadline import Deadline
from audit.probe.http.client import HttpResponse, RequestLimits, Route, exchange, resolve_host
from audit.probe.http.request import FetchError, HttpRequest, http_date, parse_url, retry_after_s
from audit.probe.http.tls_stream import trusting
from audit.probe.target import Limits
from audit.redaction import Secrets, url_password
from remediate.issuers.base import BadIssuer, IssuerEndpoint, IssuerFault

Method = Literal["GET", "POST", "DELETE"]

MAX_RESPONSE_BYTES: Final = 1_048_576  # a leaf with a hundred names and its chain has less than 20,000
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_HIDDEN: Final = "[token]"


@dataclass(frozen=True, slots=True)
class JsonRequest:
    """A path below the base URL, the JSON to send if any, and the key that makes a repetition harmless."""

    method: Method
    path: str
    body: bytes = b""
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class JsonResponse:
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
        """The time of the response by the issuer's clock; None if it has no date."""
        return http_date(self.headers.get("date", ""))

    def retry_after_s(self) -> int | None:
        """Return the seconds until the next request, by the issuer's clock; None if they are absent or malformed."""
        return retry_after_s(self.headers.get("retry-after", ""), self.headers.get("date", ""))


def send(endpoint: IssuerEndpoint, request: JsonRequest) -> JsonResponse | IssuerFault:
    """Send a request once and return the whole response, or why there is none.

    The outcome of a fault of the kind `unreachable` or `broken` is unknown: the issuer may have received the request.
    No redirect is followed: the token is for this issuer alone.
    """
    token = endpoint.token()
    if not _TOKEN.fullmatch(token):
        return IssuerFault("authentication", "the token is empty, or holds a character that a header field cannot have")
    limits = RequestLimits(Deadline.after(endpoint.deadline_s), MAX_RESPONSE_BYTES)
    try:
        route = _route(endpoint, token, limits)
        with exchange(_with_token(endpoint, request, token), route, limits) as response:
            return _read(response, Secrets((token, *url_password(endpoint.proxy))))
    except FetchError as error:
        return IssuerFault("unreachable", _why(error, endpoint))


def _with_token(endpoint: IssuerEndpoint, request: JsonRequest, token: str) -> HttpRequest:
    """Return what is sent. `requests` encodes the URL, and refuses a header field that would split the request."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if request.idempotency_key is not None:
        headers["Idempotency-Key"] = request.idempotency_key
    url = endpoint.base_url.rstrip("/") + request.path
    try:
        prepared = requests.Request(request.method, url, headers, data=request.body).prepare()
    except requests.RequestException as error:
        raise FetchError("url", str(error)) from error
    return HttpRequest(
        prepared.url or url, request.body, "application/json", request.method, tuple(prepared.headers.items())
    )


def _route(endpoint: IssuerEndpoint, token: str, limits: RequestLimits) -> Route:
    first = parse_url(endpoint.proxy or endpoint.base_url, with_user=True)
    addresses = resolve_host(first.host, Limits(), limits)
    trust = partial(trusting, endpoint.ca_file or certifi.where())
    return Route(addresses, proxy=endpoint.proxy or "", trust=trust, secrets=(token,))


def _read(response: HttpResponse, secrets: Secrets) -> JsonResponse | IssuerFault:
    """Return the response; a fault if it is too long."""
    try:
        body = response.read()
    except FetchError as error:
        if error.kind != "too-much":
            raise
        detail = f"a response of more than {MAX_RESPONSE_BYTES} bytes (HTTP {response.status})"
        return IssuerFault("broken", detail)
    headers = {name.lower(): secrets.hide(value, _HIDDEN) for name, value in response.headers}
    return JsonResponse(response.status, headers, body, secrets)


def _why(error: FetchError, endpoint: IssuerEndpoint) -> str:
    if error.kind == "timeout":
        return f"no complete response within {endpoint.deadline_s:g} s"
    return f"{'TLS' if error.kind == 'tls' else 'no complete response'}: {error}"


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def require_safe(endpoint: IssuerEndpoint) -> None:
    """Raise BadIssuer if the token would be sent in the clear, or the URL is not a base URL."""
    url = _split(endpoint.base_url)
    place = f"base_url {url.scheme}://{url.hostname}"  # the rest may hold a secret
    if url.username is not None or url.password is not None:
        raise BadIssuer(f"{place}: the URL holds a user; write the token in the key `token`")
    if url.scheme not in ("https", "http") or not url.hostname or url.query or url.fragment:
        raise BadIssuer(f"{place}: write a base URL such as https://store.example.com/api, with nothing after the path")
    if url.scheme == "http" and not is_loopback_host(url.hostname):
        raise BadIssuer(f"{place}: the token would be sent unencrypted; write https:// (http:// is only for loopback)")
    if url.scheme == "http" and endpoint.proxy is not None:
        raise BadIssuer(f"{place}: the proxy would get the token unencrypted; write https://, or leave the proxy out")


def _split(base_url: str) -> SplitResult:
    """Return the parts of a URL, of which the port can be read."""
    try:
        url = urlsplit(base_url)
        _ = url.port
    except ValueError:  # whose message quotes what may be a password
        raise BadIssuer("base_url: its host or port is invalid; write https://store.example.com/api") from None
    return url
