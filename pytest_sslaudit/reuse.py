"""Which key is used where in this run: gathered while endpoints are observed, so that it is known before any is judged.

It holds digests and labels of all that was observed; workers are handed what is shared, and nothing of the rest.
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
        """Begin with none."""
        self._uses: dict[str, dict[str, KeyUse]] = {}  # by digest and endpoint
        self._digests: dict[str, tuple[str, ...]] = {}  # by endpoint
        self._known: dict[str, Sharing] = {}

    def add(self, observation: Observation) -> None:
        """Take in what was seen of an endpoint, in place of what was seen before."""
        endpoint, uses = str(observation.endpoint), key_uses(observation)
        for digest in self._digests.pop(endpoint, ()):
            del self._uses[digest][endpoint]
        for use in uses:
            self._uses.setdefault(use.spki_sha256, {})[endpoint] = use
        self._digests[endpoint] = tuple(use.spki_sha256 for use in uses)
        self._known.clear()

    def sharing(self, digest: str) -> Sharing:
        """Return how far a key is shared; worked out once for all who use it."""
        if digest not in self._known:
            self._known[digest] = sharing_of(self._uses.get(digest, {}).values())
        return self._known[digest]

    def shared(self) -> SharedKeys:
        """Return what a worker has to know."""
        found = {digest: self.sharing(digest) for digest, uses in self._uses.items() if len(uses) > 1}
        return SharedKeys({digest: sharing for digest, sharing in found.items() if sharing.is_shared})


def sharing_from(read: Callable[[], SharedKeys]) -> SharingOf:
    """Return what tells a worker: it reads what the controller kept when it is first asked, after all was probed."""

    @cache
    def kept() -> Mapping[str, Sharing]:
        return read().keys

    return lambda digest: kept().get(digest, Sharing())
