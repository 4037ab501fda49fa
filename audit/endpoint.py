"""The endpoint: a value that is parsed from a URL, is printed as the id that is used everywhere, and can be sorted."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import idna

SCHEME_PORTS: Final[dict[str, int]] = {
    "https": 443,
    "tls": 0,  # no port is assigned to bare TLS: the user names it
    "smtp": 25,
    "smtps": 465,
    "imap": 143,
    "imaps": 993,
    "pop3": 110,
    "pop3s": 995,
    "ftp": 21,
    "ftps": 990,
    "sieve": 4190,
    "lmtp": 24,  # no port is assigned to LMTP (RFC 2033 5): this one is for any private mail system
}
"""Default port of each scheme (IANA service names and port numbers)."""

_ID: Final = re.compile(
    r"(?:(?P<host>.+(?<!:/))/)?(?:(?P<scheme>[a-z0-9]+)://(?P<name>\[[^\]]+\]|[^/:\[\]]+):(?P<port>[0-9]+)(?:\+(?P<address>.+))?)?"
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_IN_BRACKETS: Final = "write an IPv6 address in brackets: https://[2001:db8::1]:443"
_NO_ZONE: Final = (
    "has a zone id, which is valid on one machine only: write an address without one, or log in to the host"
)
_MAX_NAME = 253  # RFC 1035 2.3.4, in presentation form without the trailing dot


class BadEndpoint(ValueError):
    """A text that is not an endpoint; the message names the text, what is wrong with it and how to write it."""


def to_address(text: str) -> str | None:
    """Return the canonical form of an IPv4 or IPv6 literal (brackets allowed), or None if the text is another one.

    An address with a zone id (RFC 4007 11) has a meaning on one machine only: it is not an address here.
    """
    if "%" in text:
        return None
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return ipaddress.ip_address(bare).compressed
    except ValueError:
        return None


def is_loopback_host(host: str) -> bool:
    """Return whether a host is this machine: `localhost` or a loopback address."""
    address = to_address(host) or ""
    return host == "localhost" or address == "::1" or address.startswith("127.")


WILDCARD_LABEL: Final = "any-label"
"""The first label of the name that is requested of a server that has only a wildcard: no name of it is known."""


def wildcard_or_name(name: str) -> str:
    """Return the wildcard for which a name was requested, such as `*.example.com`; else the name itself."""
    return f"*{name.removeprefix(WILDCARD_LABEL)}" if name.startswith(f"{WILDCARD_LABEL}.") else name


def to_name(text: str) -> str:
    """Return a DNS name as lower-case A-labels without a trailing dot, or an address in its canonical form.

    Raises BadEndpoint. Labels follow RFC 5891; an underscore is let through, as it is seen in practice.
    """
    address = to_address(text)
    if address is not None:
        return address
    if _has_zone(text):
        raise BadEndpoint(f"{text!r} {_NO_ZONE}")
    bare = text.rstrip(".").lower()
    if not bare.isascii():
        try:
            bare = idna.encode(bare, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise BadEndpoint(f"{text!r} is not a host name: {error}") from error
    if not bare or len(bare) > _MAX_NAME or not all(_LABEL.fullmatch(label) for label in bare.split(".")):
        raise BadEndpoint(
            f"{text!r} is not a host name: labels of 1 to 63 characters (a-z, 0-9, hyphen), joined by dots"
        )
    if re.fullmatch(r"[0-9.]+", bare):
        raise BadEndpoint(f"{text!r} is neither an address nor a host name: a host name does not end in a number")
    return bare


def _has_zone(text: str) -> bool:
    """Return whether a text looks like an IPv6 address with a zone id, such as `fe80::1%eth0`."""
    return ":" in text.partition("%")[0] and "%" in text


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One TLS service under one name; `str()` is its id: `[HOST/]SCHEME://NAME:PORT[+ADDRESS]`.

    `host` is the label of the host it was found on (or of the name it is connected to, if another is requested by
    SNI), `hostspec` how that host is logged into, `address` a pinned address. Without a scheme it means the host
    as a whole (`web1/`), or for the run (`run/`).
    """

    scheme: str  # such as https or smtp; empty for a host or the run
    name: str  # the name or address that clients use
    port: int  # the port
    address: str | None = None  # a pinned address; None: what the name leads to
    host: str | None = None  # label of the host on which it was found
    hostspec: str | None = None  # how that host is logged in to
    service: str | None = None  # name of the service

    def __str__(self) -> str:
        """Return the id: test id, results key, waiver target and journal key."""
        prefix = f"{self.host}/" if self.host else ""
        if not self.scheme:
            return prefix
        name = f"[{self.name}]" if ":" in self.name else self.name
        pinned = f"+{self.address}" if self.address else ""
        return f"{prefix}{self.scheme}://{name}:{self.port}{pinned}"

    @property
    def is_host(self) -> bool:
        """Whether this is a host or the run as a whole, and has nothing to connect to."""
        return not self.scheme

    @property
    def reference(self) -> str:
        """The reference identifier of RFC 9525: the name or address the client means to talk to."""
        return self.name

    @property
    def connect_to(self) -> str:
        """The name or address to connect to: the pinned address, the host with another SNI name, else the name."""
        return self.address or (self.host if self.host and self.hostspec is None else self.name)

    @property
    def order(self) -> tuple[str, str, str, int, str]:
        """The sorting key: by host, name, scheme, port, address."""
        return (self.host or "", self.name, self.scheme, self.port, self.address or "")

    @classmethod
    def of_host(cls, label: str, hostspec: str | None) -> Endpoint:
        """Return the endpoint that means a host as a whole: `web1/`."""
        return cls("", "", 0, host=label, hostspec=hostspec)


RUN: Final = Endpoint.of_host("run", None)
"""What stands for the run itself: `run/`."""


def parse_id(text: str) -> Endpoint:
    """Return the endpoint that `str()` writes as this id; raises BadEndpoint. How its host is reached is unknown."""
    match = _ID.fullmatch(text)
    if not text or match is None:
        raise BadEndpoint(f"{text!r} is not the id of an endpoint, such as web1/https://www.example.com:443")
    if match["scheme"] is None:
        return Endpoint.of_host(match["host"], None)
    name = match["name"].strip("[]")
    return Endpoint(match["scheme"], name, int(match["port"]), match["address"], match["host"])


def is_host_id(text: str) -> bool:
    """Return whether an id is that of a host or the run as a whole."""
    return text.endswith("/")


def parse_endpoint(url: str) -> Endpoint:
    """Parse `SCHEME://NAME[:PORT][?sni=NAME][&address=IP]`; raises BadEndpoint naming the text and the fix."""
    text = url.strip()
    if re.search(r"[\s\x00-\x1f]", text):
        raise BadEndpoint(f"{_redacted(url)!r} has a space or control character in it")
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise BadEndpoint(f"{url!r} has no scheme: write for example https://{text or 'www.example.com'}")
    if scheme.lower() not in SCHEME_PORTS:
        raise BadEndpoint(
            f"{_redacted(text)!r}: the scheme {scheme!r} is not known; known are {', '.join(SCHEME_PORTS)}"
        )
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise BadEndpoint(f"{_redacted(text)!r}: {error}; {_IN_BRACKETS}") from error
    if parts.path not in ("", "/") or parts.fragment:
        raise BadEndpoint(f"{_redacted(text)!r} has a path: an endpoint is a scheme, a name and a port")
    if parts.username is not None or parts.password is not None:
        raise BadEndpoint(f"{_redacted(text)!r} has a user in it: an endpoint is not logged into")
    host = _host_of(url, parts.netloc)
    try:
        port = parts.port
    except ValueError as error:
        raise BadEndpoint(f"{url!r}: {error}; a port is a number from 1 to 65535") from error
    known = scheme.lower()
    return _with_options(url, Endpoint(known, to_name(host), _port_of(url, known, host, port)), parts.query)


def _port_of(url: str, scheme: str, host: str, port: int | None) -> int:
    number = SCHEME_PORTS[scheme] if port is None else port
    if number == 0:
        why = "port 0 cannot be connected to" if port == 0 else f"{scheme}:// has no port of its own"
        raise BadEndpoint(f"{url!r}: {why}: write {scheme}://{host}:PORT with a port from 1 to 65535")
    return number


def _with_options(url: str, plain: Endpoint, query: str) -> Endpoint:
    options = _options(url, query)
    sni = to_name(options["sni"]) if "sni" in options else plain.name
    address = to_address(options["address"]) if "address" in options else None
    if _has_zone(options.get("address", "")):
        raise BadEndpoint(f"{url!r}: address={options['address']!r} {_NO_ZONE}")
    if "address" in options and address is None:
        raise BadEndpoint(f"{url!r}: address={options['address']!r} is not an IPv4 or IPv6 address")
    if sni == plain.name:
        return replace(plain, address=address)
    pinned = address or to_address(plain.name)
    return replace(plain, name=sni, address=pinned, host=None if pinned else plain.name)


def _host_of(url: str, netloc: str) -> str:
    is_literal = netloc.count(":") > 1  # the last part of a bare IPv6 address is not a port
    host = netloc if is_literal and not netloc.startswith("[") else re.sub(r":[^:\]]*$", "", netloc)
    if not host:
        raise BadEndpoint(f"{url!r} has no name in it")
    if _has_zone(host):
        raise BadEndpoint(f"{url!r}: {unquote(host)!r} {_NO_ZONE}")
    if ":" in host and (to_address(host) is None or not host.startswith("[")):
        raise BadEndpoint(f"{url!r}: {host!r} is not an address; {_IN_BRACKETS}")
    return unquote(host)


def _options(url: str, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for key in options:
        if key not in ("sni", "address"):
            raise BadEndpoint(f"{url!r}: unknown option {key!r}; known are sni and address")
    return options


def _redacted(text: str) -> str:
    return re.sub(r"://[^/@]*@", "://…@", text)


@dataclass(frozen=True, slots=True)
class UnusableLine:
    """A line of an endpoints file that names no endpoint: its place, its text and why it is invalid."""

    source: str
    number: int
    text: str
    why: str


def parse_endpoints(text: str, source: str) -> tuple[tuple[Endpoint, ...], tuple[UnusableLine, ...]]:
    """Return the endpoints of a file, one a line with `#` comments, and the lines that name none."""
    endpoints: list[Endpoint] = []
    unusable: list[UnusableLine] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        url = line.partition("#")[0].strip()
        if not url:
            continue
        try:
            endpoints.append(parse_endpoint(url))
        except BadEndpoint as error:
            unusable.append(UnusableLine(source, number, url, str(error)))
    return tuple(endpoints), tuple(unusable)
