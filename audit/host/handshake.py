"""Makes TLS handshakes on a host itself, all by one command, so that sockets of loopback are observed too.

Old protocols are not tried, because the system policy of the client may forbid them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from audit.endpoint import to_address
from audit.host.login import Host
from audit.host.script import Script, shell_text
from audit.observation import FailureKind, Handshake, ProbeFailure, Stage
from audit.probe.proxy_protocol import HOST_SENDS_NO_HEADER
from audit.probe.target import InsidePlace
from audit.services.model import Section
from audit.x509.pem import certificates_in

_STARTTLS: Final = {
    "smtp": "smtp", "imap": "imap", "pop3": "pop3", "ftp": "ftp", "sieve": "sieve", "lmtp": "lmtp",
}  # fmt: skip
_MAX_HANDSHAKES: Final = 200  # handshakes in one command; the rest are not made
_SCTS, _STATUS_REQUEST = 18, 5  # TLS extensions (RFC 6962 3.3.1, RFC 6066 8)
_OCSP: Final = b"\1"  # the type of a certificate status
_EXTENSION: Final = re.compile(
    r"^TLS server extension \"[^\"\n]*\" \(id=(?P<number>\d+)\), len=(?P<size>\d+)\n"
    r"(?P<dump>(?:[0-9a-f]{4} - [0-9a-f]{2}.*(?:\n|$))*)",
    re.MULTILINE,
)
"""An extension as `-tlsextdebug` prints it."""
_OCTETS: Final = re.compile(r"^[0-9a-f]{4} - ((?:[0-9a-f]{2}[ -]?){1,16})", re.MULTILINE)
"""A line of it: up to 16 octets after an offset of four digits; characters follow after blanks."""
_OCSP_RESPONSE: Final = re.compile(r"^OCSP Response Data:", re.MULTILINE)
_OFFERS: Final = ("", "rsa", "ecdsa")
"""The types of key that a client offers to verify: all, RSA alone, and ECDSA alone."""
_FAILURES: Final[tuple[tuple[str, Stage, FailureKind, str], ...]] = (
    (r"openssl: (command )?not found|s_client: not found|openssl'?: No such file", "host", "no-command",
     "there is no openssl on the host"),
    (r"(?m)^no perl$", "handshake", "proxy-protocol", HOST_SENDS_NO_HEADER),
    (r"Connection refused", "connect", "refused", "connection refused"),
    (r"No route to host|Network is unreachable", "connect", "unreachable", "no route to the address"),
    (r"Didn't find STARTTLS|[Nn]o starttls|STARTTLS not supported|Didn't found starttls", "starttls", "not-offered",
     "STARTTLS is not offered"),
    (r"wrong version number|packet length too long|unknown protocol|http request", "handshake", "garbage",
     "the response is not TLS"),
    (r"alert (?P<name>[\w ]+)", "handshake", "alert", "TLS alert"),
    (r"no protocols available|unsupported protocol|no shared|no ciphers", "handshake", "no-shared",
     "no version or cipher in common"),
    (r"unexpected eof|errno=104|errno=0|Connection reset|write:errno", "handshake", "closed", "closed in the middle"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HostInside:
    """A host that makes handshakes with its own services (the `Inside` of the probe)."""

    host: Host

    def observe_handshakes(
        self, places: Sequence[InsidePlace]
    ) -> Mapping[InsidePlace, tuple[Handshake | ProbeFailure, ...]]:
        """Return the result at each place, then any handshake with a second certificate."""
        distinct_places = list(dict.fromkeys(places))[:_MAX_HANDSHAKES]
        lines = [
            f"{index}{key} {_words(place)} {key or '-'}{' proxy' if place.sends_header else ''}"
            for index, place in enumerate(distinct_places)
            for key in _OFFERS
        ]
        output = self.host.run(_script(lines))
        if isinstance(output, ProbeFailure):
            return dict.fromkeys(distinct_places, (output,))
        return {
            place: _distinct([_read(place.address, output.get(f"{index}{key}")) for key in _OFFERS])
            for index, place in enumerate(distinct_places)
        }


def _distinct(results: Sequence[Handshake | ProbeFailure]) -> tuple[Handshake | ProbeFailure, ...]:
    """Return the first result, and the handshakes with another certificate for another type of key."""
    first, *others = results
    if not isinstance(first, Handshake):
        return (first,)
    handshakes = (result for result in others if isinstance(result, Handshake))
    return (first, *(result for result in handshakes if result.chain_der[:1] != first.chain_der[:1]))


def _script(lines: Sequence[str]) -> Script:
    """Return the script that makes the handshakes; the words of a line hold nothing that a shell would expand."""
    calls = "".join(f"handshake {line}\n" for line in lines)
    names = tuple(re.escape(line.partition(" ")[0]) for line in lines)
    relay = shell_text("proxy_relay") if any(line.endswith(" proxy") for line in lines) else ""
    body = f"{relay}{shell_text('handshakes')}begin_handshakes\n{calls}end_handshakes\n"
    return Script(body, names, tuple(f"handshake {line}" for line in lines))


def _words(place: InsidePlace) -> str:
    endpoint, address = place.endpoint, place.address
    at = f"[{address}]:{endpoint.port}" if ":" in address else f"{address}:{endpoint.port}"
    name = "-" if to_address(endpoint.name) else endpoint.name
    return " ".join(map(shlex.quote, (at, name, _STARTTLS.get(endpoint.scheme, "-"))))


def _read(address: str, section: Section | None) -> Handshake | ProbeFailure:
    if section is None:
        return ProbeFailure("host", "broken", "the host did not report it", address)
    chain = _chain(section.text)
    version = _field(section.text, r"(?:^New, (?P<v>TLSv[\d.]+),|Protocol(?: version)? *: (?P<w>TLSv[\d.]+))")
    cipher = _field(section.text, r"Cipher is (?P<v>[\w-]+)|Cipher *: (?P<w>[\w-]+)")
    if not chain or not version or cipher in (None, "0000", "NONE"):
        return _failure(address, section)
    version = _field(section.text, r"Protocol(?: version)? *: (?P<v>TLSv[\d.]+)") or version
    group = _field(section.text, r"(?:Server Temp Key|Negotiated TLS1.3 group): (?:ECDH, )?(?P<v>[\w-]+)")
    alpn = _field(section.text, r"ALPN protocol: (?P<v>\S+)")
    sct_list = _sct_list(section.text)
    staple = _staple(section.text)
    return Handshake(address, version, cipher or "", group, alpn, chain, staple, 0.0, from_host=True, sct_list=sct_list)


def _sct_list(text: str) -> bytes | None:
    """Return the list of SCTs in a handshake; None if no extension is printed, because then none was requested."""
    return _extension(text, _SCTS) if _EXTENSION.search(text) else None


def _staple(text: str) -> bytes | None:
    """Return the stapled OCSP response (RFC 6066 8); empty if there is one that openssl does not print in full.

    It does so for TLS 1.3 alone, where the response is in an extension.
    """
    status = _extension(text, _STATUS_REQUEST)
    if status is not None and status[:1] == _OCSP:
        return status[4:]
    return b"" if _OCSP_RESPONSE.search(text) else None


def _extension(text: str, number: int) -> bytes | None:
    """Return the first extension with a number that is printed; empty if there is none, None if it is cut short."""
    for printed in _EXTENSION.finditer(text):
        if int(printed["number"]) == number:
            octets = bytes.fromhex("".join(_OCTETS.findall(printed["dump"])).replace("-", " "))
            return octets if len(octets) == int(printed["size"]) else None
    return b""


def _field(text: str, pattern: str) -> str | None:
    match = re.search(pattern, text, re.MULTILINE)
    return next((value for value in match.groups() if value), None) if match else None


def _chain(text: str) -> tuple[bytes, ...]:
    """Return the certificates as sent, without the second copy of the leaf under `Server certificate`."""
    listed = text.partition("Server certificate")[0] or text
    try:
        return certificates_in(listed)
    except ValueError:
        return ()


def _failure(address: str, section: Section) -> ProbeFailure:
    for pattern, stage, kind, meaning in _FAILURES:
        match = re.search(pattern, section.text)
        if match:
            name = match.groupdict().get("name")
            return ProbeFailure(
                stage, kind, f"from the host itself: {meaning}{f' {name.strip()}' if name else ''}", address
            )
    if section.rc in (124, 137, 143, None):
        return ProbeFailure("handshake", "timeout", "from the host itself: no response in time", address)
    return ProbeFailure("handshake", "closed", "from the host itself: no handshake", address)
