"""Sends notifications as signed JSON to a URL (Standard Webhooks 1.0.0), over HTTPS unless the server is this machine.

A message that may have arrived is sent again with the same id until the receiver accepts it: receivers drop repeats by
the id. No redirect is followed. What the receiver responds is hostile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from audit.analysis.addresses import is_link_local
from audit.config import ConfigSection, Secret
from audit.endpoint import is_loopback_host
from audit.json_codec import to_json
from audit.probe.deadline import Deadline
from audit.probe.http.client import HttpResponse, RequestLimits, Route, exchange, resolve_host
from audit.probe.http.request import FetchError, HttpRequest, ParsedUrl, parse_url, retry_after_s
from audit.probe.http.tls_stream import trusting
from audit.probe.target import Limits
from audit.redaction import Secrets
from audit.text import one_line
from remediate.notify.channels.base import (
    ChannelConfig,
    Deferred,
    Delivered,
    DeliveryOutcome,
    HoldsSecret,
    Refused,
)
from remediate.notify.channels.webhook_message import render_body, signed_headers, signing_key
from remediate.notify.notification import Notification
from remediate.pki.secret_scan import find_secret

_MAX_RESPONSE: Final = 4_096  # bytes of a response other than one of success
_TEMPORARY: Final = (408, 425, 429)  # Request Timeout, Too Early, Too Many Requests
_MAX_REASON: Final = 300


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver of whole runs. `key` is that of its section; the secret is read when it is needed.

    `ca_file` is a PEM file of trust anchors that replace the system's. No message may hold one of the secrets.
    """

    key: str
    url: str = field(repr=False)  # its path may hold a token
    secret: Callable[[], str] = field(repr=False)
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)
    secrets: Secrets = field(default_factory=Secrets)
    deadline_s: float = 10.0  # of the whole exchange, name resolution included
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), repr=False)

    @property
    def recipients(self) -> tuple[str, ...]:
        """The receiver, by the key of its section."""
        return (self.key,)

    @property
    def target(self) -> str:
        """The host and port of the receiver."""
        url = parse_url(self.url)
        return f"webhook to {url.scheme}://{url.authority}"

    def render(self, notification: Notification, recipients: tuple[str, ...]) -> bytes:
        """Return the body; raises HoldsSecret. Texts are searched before they are cut."""
        del recipients  # the body does not depend on them
        body = render_body(notification)
        uncut = json.dumps(to_json(replace(notification, attachments=()))).encode("ascii")
        if secret := find_secret(body, self.secrets) or find_secret(uncut, self.secrets):
            raise HoldsSecret(f"not sent: {secret} is in the message")
        return body

    def send(
        self, message: bytes, recipients: tuple[str, ...], commit: Callable[[], None]
    ) -> Mapping[str, DeliveryOutcome]:
        """Send a message. It is sent again after an interruption, so `commit` is never called."""
        del commit
        return dict.fromkeys(recipients, self._send(message))

    def _send(self, body: bytes) -> DeliveryOutcome:
        url = parse_url(self.url)
        try:
            secret = self.secret()
            headers = signed_headers(body, signing_key(secret), self.clock())
        except ValueError as error:  # also BadConfiguration: the administrator can fix the file of the secret
            return Deferred(one_line(str(error), _MAX_REASON))
        request = HttpRequest(self.url, body, "application/json", headers=headers)
        limits = RequestLimits(Deadline.after(self.deadline_s), _MAX_RESPONSE)
        try:
            with exchange(request, self._route(url, limits), limits) as response:
                return _outcome(url.authority, response, Secrets((secret, secret.removeprefix("whsec_"))))
        except FetchError as error:
            return Deferred(one_line(f"{url.authority}: {self._fault(error)}", _MAX_REASON))

    def _route(self, url: ParsedUrl, limits: RequestLimits) -> Route:
        """Return the route; a server on loopback is never reached through the proxy."""
        proxy = "" if self.proxy is None or is_loopback_host(url.host) else self.proxy
        first = parse_url(proxy, with_user=True) if proxy else url
        addresses = resolve_host(first.host, Limits(), limits)
        if not proxy and (bad := next((address for address in addresses if not _is_permitted(url, address)), None)):
            raise FetchError("address", f"{url.host} leads to {bad}, to which no webhook is sent")
        return Route(addresses, proxy=proxy, trust=partial(trusting, self.ca_file))

    def _fault(self, error: FetchError) -> str:
        if error.kind == "timeout":
            return f"no complete response within {self.deadline_s:g} s"
        return f"its certificate is not trusted, or TLS failed: {error}" if error.kind == "tls" else str(error)


def _is_permitted(url: ParsedUrl, address: str) -> bool:
    """Return whether a URL may lead to an address: without TLS only to loopback, and never to a link-local address.

    Cloud providers serve credentials at link-local addresses.
    """
    return is_loopback_host(address) if url.scheme == "http" else not is_link_local(address)


def _outcome(server: str, response: HttpResponse, secrets: Secrets) -> DeliveryOutcome:
    """Return what a response means; the body is read only to quote its beginning if the message was not accepted."""
    status = response.status
    if 200 <= status < 300:
        return Delivered(f"{server} responded {status}")
    if 300 <= status < 400:
        return Refused(f"{server} responded {status}: redirects are not followed; write the final URL as `url`")
    beginning = secrets.hide(response.beginning().decode("utf-8", "replace"))
    reason = one_line(f"{server} responded {status} {beginning}", _MAX_REASON)
    if status in _TEMPORARY or status >= 500:
        return Deferred(reason, retry_after_s(response.header("retry-after"), response.header("date")))
    return Refused(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig(ChannelConfig):
    """`[notify.NAME]` of the kind `webhook`."""

    url: str  # the https URL of the receiver
    secret: Secret  # the key that signs each message (Standard Webhooks)
    ca_file: str | None = None  # PEM file of trust anchors that replace the system's

    def open(self, section: ConfigSection, secrets: Secrets) -> Webhook:
        """Return the channel; raises BadConfiguration for a URL or a secret that cannot be used."""
        if problem := _url_problem(self.url):
            raise section.bad(problem)
        secret = section.secret("secret", self.secret)
        try:
            signing_key(secret())
        except ValueError as error:
            raise section.bad(str(error)) from None
        proxy = section.configuration.fetch.proxy
        return Webhook(section.key, self.url, secret, section.path(self.ca_file), proxy, secrets)


def _url_problem(url: str) -> str | None:
    """Return why a URL cannot be used, without its path, which may hold a token."""
    try:
        parsed = parse_url(url)
    except FetchError:
        return "url: write https://HOST/PATH, without a user or a password"
    if parsed.scheme == "http" and not is_loopback_host(parsed.host):
        return f"url http://{parsed.host}: write https://; only a server on loopback is used without TLS"
    return None
