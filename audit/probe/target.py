"""What a probe is given: endpoints with the addresses to try, the bounds to keep, and a host that can ask itself.

It knows no protocol and opens no connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from audit.endpoint import Endpoint
from audit.observation import Handshake, HostView, ProbeFailure


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of every probe: seconds end in `_s`, and a stage never outlasts `timeout_s`."""

    timeout_s: float = 10.0  # one address of one endpoint, all its connections together
    concurrency: int = 64  # addresses probed at once; the speed levels off between 32 and 64 threads
    per_address: int = (
        2  # connections at once to one address: Postfix allows a client 50, dovecot 10, a cautious site 3
    )
    resolver: tuple[str, ...] = ()  # "192.0.2.53", "127.0.0.1:5353", "[2001:db8::53]:53"; empty: the system's
    resolve_s: float = 6.0  # a stub resolver waits 5 s for its first server (resolv.conf(5))
    connect_s: float = 5.0  # two retransmitted SYNs (1 s and 2 s after the first, RFC 6298)
    starttls_s: float = 8.0  # mail servers hold their greeting back a few seconds to unmask spammers (postscreen: 6 s)
    handshake_s: float = 6.0
    farewell_s: float = 1.0  # how long a server is given to answer our goodbye
    retry_after_s: float = 2.0  # when a busy or refusing server is asked once more, at the earliest
    max_bytes: int = 262_144  # from one connection; OpenSSL itself takes 100 KiB of certificates
    max_certificates: int = 32  # no path in use is longer than six


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint and what is known of how to reach it.

    `addresses` are the host's own that can be connected to from here, beside those its name resolves to;
    `inside_addresses` can only be reached on the host itself. Where there are only these, nothing is asked from here.
    """

    endpoint: Endpoint
    addresses: tuple[str, ...] = ()
    inside_addresses: tuple[str, ...] = ()
    server: HostView | None = None
    inside: Inside | None = None


class Inside(Protocol):
    """A host that shakes hands with its own services: an openssl client run there, one command for all wanted."""

    def shake_hands(
        self, wanted: Sequence[tuple[Endpoint, str]]
    ) -> Mapping[tuple[Endpoint, str], Handshake | ProbeFailure]:
        """Return what each endpoint at each address answered; what is missing from it could not be asked."""
        ...
