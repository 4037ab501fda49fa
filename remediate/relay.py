"""A mail server as it is configured: where it is, how the way there is secured, and how long we wait.

It knows what must not be configured, such as letters in the clear over a network; it refuses to connect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from audit.endpoint import to_address

Security = Literal["starttls", "tls", "plain"]

_PORTS: Final[Mapping[Security, int]] = {"starttls": 587, "tls": 465, "plain": 25}  # RFC 6409 3.1, RFC 8314 3.3


class BadRelay(ValueError):
    """A mail server that cannot be used as it is configured; its message says what would be right."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each step may last, in seconds.

    RFC 5321 4.5.3.2 lets a relay wait 5 minutes for an answer; a run has better to do, but who does not wait out the
    answer to the content sends it twice (4.5.3.2.6).
    """

    connect: float = 20.0
    answer: float = 60.0
    content: float = 180.0
    verdict: float = 600.0


@dataclass(frozen=True, slots=True)
class Relay:
    """A mail server, how it is reached, and who we are there. The password is asked for when it is needed.

    `ca_file` is a PEM file of the anchors to trust instead of the system's.
    """

    host: str
    port: int
    security: Security
    user: str | None = None
    password: Callable[[], str] | None = field(default=None, repr=False)
    ca_file: str | None = None
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        """Refuse to send letters, and passwords, in the clear over a network."""
        if self.security == "plain" and not _is_loopback(self.host):
            raise BadRelay(f"{self.host}: in the clear only on loopback; write smtp:// (STARTTLS) or smtps://")
        if (self.user is None) != (self.password is None):
            raise BadRelay(f"{self.host}: `user` and `password` go together")


def read_relay(
    url: str, *, user: str | None = None, password: Callable[[], str] | None = None, ca_file: str | None = None
) -> Relay:
    """Return the server a URL names; raises BadRelay.

    `smtps://h` is TLS from the start, `smtp://h` STARTTLS, and in the clear on loopback.
    """
    parts = urlsplit(url)
    place = f"smtp = {parts.scheme}://{parts.hostname}"  # the rest may hold a password
    if parts.username is not None or parts.password is not None:
        raise BadRelay(f"{place}: there is a user in it; write `user` and `password` beside it")
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise BadRelay(f"{place}: write smtp://HOST:PORT, smtps://HOST:PORT or sendmail")
    try:
        port = parts.port
    except ValueError as error:
        raise BadRelay(f"{place}: its port is no number up to 65535") from error
    starts: Security = "plain" if _is_loopback(parts.hostname) else "starttls"
    security: Security = "tls" if parts.scheme == "smtps" else starts
    return Relay(parts.hostname, port or _PORTS[security], security, user, password, ca_file)


def _is_loopback(host: str) -> bool:
    address = to_address(host)
    return host == "localhost" or address == "::1" or (address or "").startswith("127.")
