"""A set of pairs of a check and an endpoint: a run has millions, so each endpoint has one number for all checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class CheckPairs:
    """Pairs of the ids of a check and an endpoint: a number for each endpoint, with a bit for each check.

    A set of tuples takes some 150 bytes a pair.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        """Begin with these pairs."""
        self._bits: dict[str, int] = {}
        self._of_endpoint: dict[str, int] = {}
        self._checks: dict[int, tuple[str, ...]] = {}  # by bits
        self.update(pairs)

    def add(self, check: str, endpoint: str) -> None:
        """Add a pair."""
        bit = self._bits.setdefault(check, 1 << len(self._bits))
        self._of_endpoint[endpoint] = self._of_endpoint.get(endpoint, 0) | bit

    def update(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Add these pairs."""
        for pair in pairs:
            self.add(*pair)

    def remove(self, check: str, endpoint: str) -> None:
        """Remove a pair, if it is there."""
        bit = self._bits.get(check, 0)
        self._of_endpoint[endpoint] = self._of_endpoint.get(endpoint, 0) & ~bit

    def has(self, check: str, endpoint: str) -> bool:
        """Return whether a pair is there."""
        return bool(self._bits.get(check, 0) & self._of_endpoint.get(endpoint, 0))

    def checks_of(self, endpoint: str) -> tuple[str, ...]:
        """Return the checks of an endpoint: one object for all endpoints that have the same."""
        bits = self._of_endpoint.get(endpoint, 0)
        if bits not in self._checks:
            self._checks[bits] = tuple(check for check, bit in self._bits.items() if bit & bits)
        return self._checks[bits]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield the pairs, sorted."""
        for check in sorted(self._bits):
            yield from ((check, endpoint) for endpoint in sorted(self._of_endpoint) if self.has(check, endpoint))
