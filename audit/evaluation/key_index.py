"""Which keys are shared in a run: collected while endpoints are observed, so that it is complete before any is judged.

It holds digests and labels only. Worker processes receive the shared keys and nothing of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from audit.analysis.key_reuse import KeyUse, Sharing, key_uses, sharing_of
from audit.observation import SCHEMA, Observation

SharingOf = Callable[[str], Sharing]
"""How far the key of that SPKI digest is shared."""


@dataclass(frozen=True, slots=True)
class SharedKeys:
    """The keys of a run that are shared, by SPKI digest."""

    keys: Mapping[str, Sharing] = field(default_factory=dict)
    schema: int = SCHEMA


class KeyIndex:
    """The keys of a run, as its endpoints were last seen."""

    def __init__(self) -> None:
        """Begin without keys."""
        self._uses: dict[str, dict[str, KeyUse]] = {}  # by digest and endpoint
        self._digests: dict[str, tuple[str, ...]] = {}  # by endpoint
        self._known: dict[str, Sharing] = {}

    def add(self, observation: Observation) -> None:
        """Add what was seen of an endpoint, in place of what was seen before."""
        self.add_uses(str(observation.endpoint), key_uses(observation))

    def add_uses(self, endpoint: str, uses: tuple[KeyUse, ...]) -> None:
        """Add the keys of an endpoint that another process observed, in place of those before."""
        for digest in self._digests.pop(endpoint, ()):
            del self._uses[digest][endpoint]
            self._known.pop(digest, None)
        for use in uses:
            self._uses.setdefault(use.spki_sha256, {})[endpoint] = use
            self._known.pop(use.spki_sha256, None)
        self._digests[endpoint] = tuple(use.spki_sha256 for use in uses)

    def sharing(self, digest: str) -> Sharing:
        """Return how far a key is shared; computed once for all its endpoints."""
        if digest not in self._known:
            self._known[digest] = sharing_of(self._uses.get(digest, {}).values())
        return self._known[digest]

    def has_shared_key(self, endpoint: str) -> bool:
        """Return whether a key of an endpoint is shared."""
        return any(self.sharing(digest).is_shared for digest in self._digests.get(endpoint, ()))

    def shared(self) -> SharedKeys:
        """Return the keys that are shared, for the worker processes."""
        shared = {digest: self.sharing(digest) for digest, uses in self._uses.items() if len(uses) > 1}
        return SharedKeys({digest: sharing for digest, sharing in shared.items() if sharing.is_shared})


def sharing_from(read: Callable[[], SharedKeys]) -> SharingOf:
    """Return the function for a worker process: its first call reads the keys, which are complete by then."""

    @cache
    def kept() -> Mapping[str, Sharing]:
        return read().keys

    return lambda digest: kept().get(digest, Sharing())
