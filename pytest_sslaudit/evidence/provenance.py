"""Where results come from: the operator, the version of the program, and the digests of policies and trust anchors."""

from __future__ import annotations

import os
import platform
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from audit.config import digest_of_source
from audit.policy import builtin_profiles, load_profile, profile_digest

if TYPE_CHECKING:  # a worker reads and writes observations without pytest
    from pytest_sslaudit.settings import Settings

TOOL: Final = "pytest-sslaudit"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a run was started with. Policies and trust anchors are SHA-256 digests by name."""

    tool: str
    version: str
    python: str
    platform: str
    operator: str
    started: datetime
    policies: Mapping[str, str]
    trust: Mapping[str, str]


def provenance_of(settings: Settings, started: datetime) -> Provenance:
    """Return the provenance of a run with these settings; raises BadConfiguration if anchors cannot be read.

    Without a named policy the kind of certificate decides between the built-in ones, so all of them are listed.
    """
    chosen = settings.policy or tuple(map(load_profile, builtin_profiles()))
    return Provenance(
        tool=TOOL,
        version=version(TOOL),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        operator=settings.configuration.operator or _user(),
        started=started,
        policies={profile.name: profile_digest(profile) for profile in chosen},
        trust={source: digest_of_source(source) for source in settings.trust},
    )


def _user() -> str:
    """Return the user of the process and this machine, as the system names them: `root@web1`."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user without a name, as in containers
        name = f"uid {os.getuid()}"
    return f"{name}@{platform.node() or 'localhost'}"


def differences(kept: Provenance, now: Provenance) -> Iterator[str]:
    """Yield the policies and trust anchors that both runs name, and whose content is another one now."""
    pairs = (("policy", kept.policies, now.policies), ("trust anchors", kept.trust, now.trust))
    for kind, before, after in pairs:
        yield from (f"{kind} {name}" for name in before if name in after and before[name] != after[name])
