"""What a server supports, derived from its configuration and never from a probe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Truth:
    """What one configuration means, by the numbers of the registries; suites stand in the server's order."""

    suites: Mapping[int, tuple[int, ...]]
    """By protocol version."""
    prefers_own_order: bool
    groups: tuple[int, ...] = ()
    dhe_bits: int | None = None  # None without DHE in TLS 1.2 and older
    has_extended_master_secret: bool = True
    has_encrypt_then_mac: bool = True
    has_tickets: bool = True

    @property
    def versions(self) -> tuple[int, ...]:
        """The protocol versions."""
        return tuple(self.suites)
