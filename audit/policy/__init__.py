"""The policy of one endpoint: one or more profiles, of which the strictest threshold applies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
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


@dataclass(frozen=True, slots=True)
class Policy:
    """The profiles that apply to an endpoint; `is_named` if the user chose them, for any issuer."""

    profiles: tuple[Profile, ...]  # the profiles that apply
    is_named: bool = False  # whether the user chose them

    @property
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
        given = [(profile.severities.get(check_id, default), profile) for profile in self.having(check_id).profiles]
        named = [(severity, profile.name if check_id in profile.severities else "") for severity, profile in given]
        return max(named, key=lambda pair: (pair[0].rank, pair[1] != ""), default=(default, ""))

    def applies(self, check_id: str) -> bool:
        """Return whether a check is evaluated: it is not if every profile disables it."""
        return not all(check_id in profile.disabled for profile in self.profiles)

    def having(self, check_id: str) -> Policy:
        """Return the policy without the profiles that disable a check: their thresholds do not apply to it."""
        if not any(check_id in profile.disabled for profile in self.profiles):
            return self
        return replace(self, profiles=tuple(profile for profile in self.profiles if check_id not in profile.disabled))

    def why_not(self, check_id: str) -> str:
        """Return why a check is disabled, by the reason of each profile."""
        return "; ".join(dict.fromkeys(profile.disabled[check_id] for profile in self.profiles))


def choose_policy(named: tuple[Profile, ...], *, is_cpanel: bool, is_private_pki: bool) -> Policy:
    """Return the policy of an endpoint: the named profiles, else the one that its host or its trust anchor suggests."""
    if named:
        return Policy(named, is_named=True)
    if is_cpanel:
        return _unnamed("cpanel")
    return _unnamed("private-pki" if is_private_pki else "webpki")


def profile_digest(profile: Profile) -> str:
    """Return the SHA-256 of every value of a profile, those that it takes from another one included."""
    return hashlib.sha256(json.dumps(to_json(profile), sort_keys=True, default=str).encode()).hexdigest()


@cache
def _unnamed(name: str) -> Policy:
    return Policy((load_profile(name),))
