"""The policy of one endpoint: one or more profiles, of which the strictest threshold applies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, TypeVar

from audit.json_codec import to_json
from audit.policy.profile_file import BadProfile, builtin_profiles, load_profile, require_checks
from audit.policy.thresholds import Profile, Thresholds
from audit.verdict import Severity

T = TypeVar("T")

__all__ = [
    "BadProfile", "Policy", "Profile", "Thresholds", "builtin_profiles", "choose_policy", "load_profile",
    "profile_digest", "require_checks",
]  # fmt: skip


@dataclass(frozen=True)
class Policy:
    """The profiles that apply to an endpoint; `is_named` if the user chose them, for any issuer.

    It keeps what its profiles set for each check: every endpoint of a run needs it.
    """

    profiles: tuple[Profile, ...]  # the profiles that apply
    is_named: bool = False  # whether the user chose them
    _having: dict[str, Policy] = field(default_factory=dict, init=False, compare=False, repr=False)
    _severities: dict[tuple[str, Severity], tuple[Severity, str]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @cached_property
    def name(self) -> str:
        """The names of the profiles: `webpki`, `webpki+corp`."""
        return "+".join(profile.name for profile in self.profiles)

    def greatest(self, measure: Callable[[Thresholds], Any]) -> tuple[Any, str]:
        """Return the greatest value that a profile gives, and the name of the first profile that gives it."""
        return max(((measure(profile.thresholds), profile.name) for profile in self.profiles), key=lambda pair: pair[0])

    def least(self, measure: Callable[[Thresholds], Any]) -> tuple[Any, str]:
        """Return the least value that a profile gives, and the name of the first profile that gives it."""
        return min(((measure(profile.thresholds), profile.name) for profile in self.profiles), key=lambda pair: pair[0])

    def faults(self, judge: Callable[[Thresholds], tuple[T, ...]]) -> tuple[tuple[T, str], ...]:
        """Return what each profile finds, with the name of the first profile that finds it."""
        faults: dict[T, str] = {}
        for profile in self.profiles:
            for fault in judge(profile.thresholds):
                faults.setdefault(fault, profile.name)
        return tuple(faults.items())

    def severity_of(self, check_id: str, default: Severity) -> tuple[Severity, str]:
        """Return the highest severity that a profile gives a check, and the name of that profile.

        A profile that does not set it gives the check's own severity, without a name.
        """
        known = self._severities.get((check_id, default))
        if known is None:
            known = self._severities[check_id, default] = self._severity_of(check_id, default)
        return known

    def _severity_of(self, check_id: str, default: Severity) -> tuple[Severity, str]:
        given = [(profile.severities.get(check_id, default), profile) for profile in self.having(check_id).profiles]
        named = [(severity, profile.name if check_id in profile.severities else "") for severity, profile in given]
        return max(named, key=lambda pair: (pair[0].rank, pair[1] != ""), default=(default, ""))

    def applies(self, check_id: str) -> bool:
        """Return whether a check is evaluated: it is not if every profile disables it."""
        return bool(self.having(check_id).profiles)

    def having(self, check_id: str) -> Policy:
        """Return the policy without the profiles that disable a check: their thresholds do not apply to it."""
        known = self._having.get(check_id)
        if known is None:
            enabling = tuple(profile for profile in self.profiles if check_id not in profile.disabled)
            known = self if len(enabling) == len(self.profiles) else Policy(enabling, self.is_named)
            self._having[check_id] = known
        return known

    def why_not(self, check_id: str) -> str:
        """Return why a check is disabled, by the reason of each profile."""
        return "; ".join(dict.fromkeys(profile.disabled[check_id] for profile in self.profiles))


def choose_policy(named: Policy | None, *, is_cpanel: bool, is_private_pki: bool) -> Policy:
    """Return the policy of an endpoint: the named one, else the one that its host or its trust anchor suggests."""
    if named is not None:
        return named
    if is_cpanel:
        return _unnamed("cpanel")
    return _unnamed("private-pki" if is_private_pki else "webpki")


def profile_digest(profile: Profile) -> str:
    """Return the SHA-256 of every value of a profile, those that it takes from another one included."""
    return hashlib.sha256(json.dumps(to_json(profile), sort_keys=True, default=str).encode()).hexdigest()


@cache
def _unnamed(name: str) -> Policy:
    return Policy((load_profile(name),))
